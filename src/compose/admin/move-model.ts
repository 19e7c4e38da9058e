import { MOVE_JOB } from "../cluster/placing.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { availableModels } from "../../cluster/node-operations.ts";
import { sharedWith } from "../../cluster/registry/move-model.ts";
import type { NodeEntry } from "../../cluster/registry/node-entry.ts";
import type { Principal } from "../../core/principal.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { nearestNames } from "../../core/text-distance.ts";
import type { AdminFailure, JobView } from "../../http/admin/deps.ts";
import type { ModelMove } from "../../http/admin/node-view.ts";
import type { JobRunner } from "../../jobs/job-runner.ts";
import { audited } from "../../store/audited.ts";
import type { Store } from "../../store/store.ts";

export interface MoveAdminParts {
  readonly cluster: Pick<Cluster, "registry" | "link">;
  readonly jobs: JobRunner;
  readonly store: Store;
}

const ASK_MS = 5_000;

/** What the admin API does to move a model. What can be known at once is refused at once; the rest is the job's. */
export function modelMover({ cluster, jobs, store }: MoveAdminParts) {
  return async (wish: ModelMove, { keyName: actor }: Principal): Promise<Result<JobView, AdminFailure>> => {
    const move = findMove(cluster.registry.list(), wish);
    if (!move.ok) return move;
    const { model, from, to } = move.value;
    const here = await cluster.link.call(from.id, availableModels(), AbortSignal.timeout(ASK_MS));
    if (!here.ok) return err({ kind: "conflict", message: here.error.message, mend: here.error.mend });
    if (!here.value.some(({ id, engine }) => id === model && engine !== null)) {
      const engine = from.state?.replicas.find((replica) => replica.model === model)?.engine ?? "an engine";
      return conflict(`${model} on ${from.name} is served by ${engine}, which Flock cannot tell to unload it`);
    }
    const input = { model, from: from.id, to: to.id };
    await audited(store, { actor, action: "model.move" }, async () =>
      ok({ target: model, before: { node: from.name }, after: { node: to.name }, value: null }),
    );
    return await jobs.enqueue(MOVE_JOB, input, actor);
  };
}

interface Found {
  readonly model: string;
  readonly from: NodeEntry;
  readonly to: NodeEntry;
}

/** Pure: which model goes from where to where, or why that cannot be. */
export function findMove(nodes: readonly NodeEntry[], wish: ModelMove): Result<Found, AdminFailure> {
  const model = wish.model.toLowerCase();
  const serving = nodes.filter(
    ({ standing, state }) => standing === "ready" && state?.replicas.some((replica) => replica.model === model),
  );
  const to = findEntry(nodes, wish.to);
  if (!to.ok) return to;
  if (serving.length === 0) {
    const known = new Set(nodes.flatMap(({ state }) => state?.replicas ?? []).map((replica) => replica.model));
    return err({ kind: "unknown_model", model: wish.model.slice(0, 200), nearest: nearestNames(model, known) });
  }
  const named = wish.from === undefined ? null : findEntry(nodes, wish.from);
  if (named?.ok === false) return named;
  const { name } = to.value;
  const others = serving.filter(({ id }) => id !== to.value.id);
  const sources = named === null ? others : others.filter(({ id }) => id === named.value.id);
  const there = others.length < serving.length;
  // With --from it is meant so: the copy there goes.
  if (there && (named === null || sources.length === 0)) {
    const [copy] = others;
    const rid = copy === undefined ? "flock node ls" : `flock model move ${model} --to ${name} --from ${copy.name}`;
    return conflict(`${name} serves ${model} already`, rid);
  }
  const [from] = sources;
  const list = others.map((entry) => entry.name).join(", ");
  if (from === undefined)
    return conflict(`${named?.value.name ?? "no other node"} does not serve ${model}; ${list} does`);
  if (sources.length > 1)
    return conflict(
      `several nodes serve ${model} (${list}); say which one it leaves`,
      `flock model move ${model} --to ${name} --from ${from.name}`,
    );
  if (to.value.standing !== "ready") return conflict(`${name} is ${to.value.standing}`, `flock node show ${name}`);
  const beside = sharedWith(from.state, model);
  if (beside !== null)
    return conflict(`the engine that serves ${model} on ${from.name} serves ${beside} too, and that would go with it`);
  return ok({ model, from, to: to.value });
}

function findEntry(nodes: readonly NodeEntry[], target: string): Result<NodeEntry, AdminFailure> {
  const found = nodes.find(({ id }) => id === target) ?? nodes.find(({ name }) => name === target);
  if (found !== undefined) return ok(found);
  const near = nearestNames(
    target,
    nodes.map(({ name }) => name),
  ).join(", ");
  const what = `node ${target.slice(0, 100)}${near === "" ? "" : ` (nearest: ${near})`}`;
  return err({ kind: "not_found", what, mend: "flock node ls" });
}

function conflict(message: string, mend = "flock model ls"): Result<never, AdminFailure> {
  return err({ kind: "conflict", message, mend });
}
