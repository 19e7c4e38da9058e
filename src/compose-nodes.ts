import type { Cluster } from "./compose-cluster.ts";
import { DRAIN_JOB, drainCheckpoint, drainInput } from "./compose-assign.ts";
import { modelMover } from "./compose-move.ts";
import { availableModels, engineLogs, loadModel, machineLoad } from "./cluster/node-operations.ts";
import { onlyThere } from "./cluster/registry/drain-node.ts";
import { viewOf } from "./cluster/registry/node-views.ts";
import type { NodeProblem } from "./cluster/registry/node-book.ts";
import type { Principal } from "./core/principal.ts";
import { err, ok, type Result } from "./core/result.ts";
import type { AdminNodes, NodeView } from "./http/admin/node-view.ts";
import type { JobRunner } from "./jobs/job-runner.ts";
import type { Router } from "./routing/router.ts";
import { audited } from "./store/audited.ts";
import type { StoredNode } from "./store/nodes.ts";
import type { Store } from "./store/store.ts";
import { recentUsage } from "./store/usage.ts";

export interface AdminNodesParts {
  readonly cluster: Cluster;
  readonly router: Router;
  readonly jobs: JobRunner;
  readonly store: Store;
  /** Resolves when what was answered a moment ago is in the store, or does not come. */
  readonly settled: () => Promise<unknown>;
}

const ASK_MS = 3_000;
const LOG_LINES = 20;
const REQUESTS = 10;
/** Among so many a node's last drains are looked for. */
const LAST_JOBS = 500;

/** What the admin API asks of the cluster. */
export function adminNodes({ cluster, router, jobs, store, settled }: AdminNodesParts): AdminNodes {
  const { registry, book, link } = cluster;
  const view = (stored: StoredNode): NodeView => {
    const entry = registry.get(stored.id);
    return viewOf(stored, entry, entry?.link ?? null, (replica) => router.busy(replica));
  };
  const changed = (
    result: Result<StoredNode, NodeProblem>,
    done: (node: StoredNode) => void,
  ): Result<NodeView, NodeProblem> => {
    if (!result.ok) return result;
    done(result.value);
    return ok(view(result.value));
  };
  /** Models that drains since then have moved away from a node. */
  const movedSince = async (id: string, drainedAt: number): Promise<ReadonlySet<string>> => {
    const drains = (await jobs.list(LAST_JOBS)).filter(
      ({ kind, input, createdAt }) =>
        kind === DRAIN_JOB && createdAt >= drainedAt && drainInput.safeParse(input).data?.node === id,
    );
    return new Set(drains.flatMap((job) => Object.keys(drainCheckpoint.safeParse(job.checkpoint).data?.moved ?? {})));
  };
  /** The model that the machine's configuration wants there, where the drain has unloaded it. Others stay where they moved. */
  const loadOwn = async (id: string, drainedAt: number): Promise<void> => {
    const moved = await movedSince(id, drainedAt);
    const limit = AbortSignal.timeout(ASK_MS);
    const there = moved.size === 0 ? null : await link.call(id, availableModels(), limit);
    const own = there?.ok === true ? there.value.find((model) => model.default && moved.has(model.id)) : undefined;
    if (own === undefined || own.engine !== null) return;
    const loading = await link.call(id, loadModel({ id: own.id }), limit);
    registry.note(id, loading.ok ? `${own.id} is loaded again` : `${own.id} is not loaded: ${loading.error.message}`);
  };
  return {
    async invite(actor) {
      const invited = await cluster.invite();
      if (!invited.ok) return err({ kind: "conflict", ...invited.error });
      const { id, expiresAt } = invited.value;
      await audited(store, { actor: nameOf(actor), action: "node.invite" }, async () =>
        ok({ target: id, before: null, after: { expiresAt }, value: null }),
      );
      return invited;
    },
    async list() {
      // As the registry has them: the leader's own first.
      return registry.list().flatMap(({ id }) => {
        const stored = book.get(id);
        return stored === null ? [] : [view(stored)];
      });
    },
    async show(id) {
      const stored = book.get(id);
      if (stored === null || stored.removedAt !== null) return err(noNode(id));
      const entry = registry.get(id);
      const engines = entry?.state?.engines ?? [];
      const limit = AbortSignal.timeout(ASK_MS);
      const reachable = entry !== null && entry.standing !== "lost" && entry.standing !== "joining";
      await settled();
      const [load, requests, ...logs] = await Promise.all([
        reachable ? link.call(id, machineLoad(), limit) : null,
        recentUsage(store.sql, { limit: REQUESTS, node: id }),
        ...(reachable ? engines : []).map(async (engine) => {
          const log = await link.call(id, engineLogs(engine.id, LOG_LINES), limit);
          return { engine: engine.id, lines: log.ok ? log.value.lines : [] };
        }),
      ]);
      const problems = engines.flatMap(({ id: engine, problem }) =>
        problem === null ? [] : [{ at: entry?.lastSeenAt ?? 0, what: `engine ${engine}: ${problem}` }],
      );
      return ok({
        node: view(stored),
        events: [...(entry?.events ?? []), ...problems],
        logs: logs.filter(({ lines }) => lines.length > 0),
        requests,
        load: load?.ok === true ? load.value : null,
      });
    },
    async drain(id, actor) {
      const held = new Set(onlyThere(registry, id));
      const drained = changed(await book.drain(id, nameOf(actor)), ({ drainedAt }) => {
        if (registry.get(id)?.standing !== "drained") registry.startDrain(id, held, drainedAt ?? 0);
      });
      if (!drained.ok) return drained;
      const job = await jobs.enqueue(DRAIN_JOB, { node: id }, nameOf(actor));
      return job.ok ? ok({ node: drained.value, job: job.value }) : job;
    },
    moveModel: modelMover({ cluster, jobs, store }),
    async undrain(id, actor) {
      const drainedAt = book.get(id)?.drainedAt ?? null;
      const back = changed(await book.undrain(id, nameOf(actor)), () => registry.undrain(id));
      if (back.ok && drainedAt !== null) await loadOwn(id, drainedAt);
      return back;
    },
    async remove(id, actor) {
      const stored = book.get(id);
      const before = stored === null ? null : view(stored);
      const removed = await book.remove(id, { actor: nameOf(actor), action: "node.remove" });
      if (!removed.ok) return removed;
      registry.remove(id);
      cluster.unlink(id);
      return ok(before ?? view(removed.value));
    },
  };
}

function nameOf(actor: Principal): string {
  return actor.keyName;
}

function noNode(id: string): NodeProblem {
  return { kind: "not_found", what: `node ${id}`, mend: "flock node ls" };
}
