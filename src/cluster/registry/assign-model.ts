import type { EngineStatus } from "../../core/node.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { type KnownFloors, modelNeed } from "../../placement/model-need.ts";
import { place, sayRefused } from "../../placement/place.ts";
import type { AvailableModel } from "../agent-protocol.ts";
import type { Link } from "../link.ts";
import { availableModels, loadModel, unloadModel } from "../node-operations.ts";
import { wait } from "../../core/wait.ts";
import type { NodeBook } from "./node-book.ts";
import type { NodeEntry } from "./node-entry.ts";
import type { NodeRegistry } from "./node-registry.ts";
import { placementNodeOf } from "./node-views.ts";
import type { PlacementBook } from "./placement-book.ts";

export interface AssignParts {
  readonly book: NodeBook;
  readonly registry: NodeRegistry;
  readonly placements: PlacementBook;
  readonly link: Pick<Link, "call">;
  readonly busy: (replicaId: string) => number;
  /** The catalogue's word on a model; null: it has none. */
  readonly floors: (model: string) => Promise<KnownFloors | null>;
  /** Brings a model's file to a node from one that has it, whole and checked. Gives the way that it came. */
  readonly bring: (
    file: { readonly model: string; readonly bytes: number; readonly from: string },
    to: string,
    signal: AbortSignal,
    progress: (message: string) => void,
  ) => Promise<Result<string, string>>;
}

/** Where a model is served now. */
export interface Assigned {
  readonly node: string;
  readonly name: string;
  /** The way that its file came; null: it was there. */
  readonly brought: string | null;
}

export interface Assignment {
  readonly model: string;
  /** Nodes that are not asked: the one that is being drained. */
  readonly without?: string;
  /** Only this node, if it can. */
  readonly on?: string;
  /** Nobody named the node: those that joined with --no-assign are left out. */
  readonly unasked: boolean;
  /** For the placement that comes of it. */
  readonly reason: string;
}

/** A node may be making its connections anew. */
const ASK_MS = 10_000;
const SILENT_MS = 300_000;
/** A large model from a slow disk. */
const LOAD_MS = 30 * 60_000;
const UNLOAD_MS = 60_000;
const LOOK_MS = 100;

/** Chooses a node for the model, brings its file there, loads it. Resolves when it is served. */
export async function assignModel(
  parts: AssignParts,
  wish: Assignment,
  signal: AbortSignal,
  progress: (message: string) => void,
): Promise<Result<Assigned, string>> {
  const { book, registry, placements } = parts;
  const { model } = wish;
  // Of a drain: a move to the node that is being drained is given up in a moment, and then its source serves again.
  const leaves = (): boolean => registry.list().some(({ id, leaving }) => id !== wish.without && leaving.has(model));
  while (wish.without !== undefined && !signal.aborted && leaves()) await wait(LOOK_MS, signal);
  let files = await filesOf(parts, signal);
  const sourceIn = (): { readonly node: string; readonly file: AvailableModel } | undefined =>
    [...files].flatMap(([node, list]) => list.filter(({ id }) => id === model).map((file) => ({ node, file })))[0];
  // A drained node that lives and does not answer has it all the same: given up now, the model would be served by nobody.
  const isSilent = ({ without = "" }: Assignment): boolean =>
    !files.has(without) && (registry.get(without)?.standing ?? "lost") !== "lost";
  const deadline = performance.now() + SILENT_MS;
  while (sourceIn() === undefined && isSilent(wish) && !signal.aborted && performance.now() < deadline) {
    await wait(LOOK_MS, signal);
    files = await filesOf(parts, signal);
  }
  const source = sourceIn();
  if (source === undefined) return err("no node that can be reached has its file");
  const need = modelNeed(model, source.file.bytes, await parts.floors(model), wish.unasked);
  const nodes = book
    .list()
    .filter(({ id }) => id !== wish.without && (wish.on === undefined || id === wish.on))
    .flatMap((stored) => {
      const entry = registry.get(stored.id);
      const there = new Set((files.get(stored.id) ?? []).map(({ id }) => id));
      return entry === null ? [] : [placementNodeOf(stored, entry, there, parts.busy)];
    });
  // What an earlier attempt had begun there goes on, or is done by now.
  const done = nodes.find(({ id }) => howFar(registry.get(id), model) === "served");
  if (done !== undefined) return ok({ node: done.id, name: done.name, brought: null });
  const begun = nodes.find(({ id }) => howFar(registry.get(id), model) === "coming");
  const { node, refused } = begun === undefined ? place(need, nodes) : { node: begun, refused: [] };
  if (node === null) return err(sayRefused(refused));
  let brought: string | null = null;
  if (!node.files.has(model)) {
    const from = { model, bytes: source.file.bytes, from: source.node };
    const came = await parts.bring(from, node.id, signal, progress);
    if (!came.ok) return err(`${node.name}: ${came.error}`);
    brought = came.value;
    registry.note(node.id, `the file of ${model} came ${brought}`);
  }
  progress(`loading it on ${node.name}${sayBrought(brought)}`);
  placements.because(node.id, model, wish.reason);
  const taken = await parts.link.call(node.id, loadModel({ id: model }), signal);
  if (!taken.ok) return err(`${node.name}: ${taken.error.message}`);
  const served = await untilServed(registry, node.id, model, taken.value.engine, signal);
  if (!served.ok && !signal.aborted && registry.get(node.id)?.standing !== "lost") {
    await parts.link.call(node.id, unloadModel(model), AbortSignal.timeout(UNLOAD_MS));
  }
  return served.ok ? ok({ node: node.id, name: node.name, brought }) : err(`${node.name}: ${served.error}`);
}

/** For the end of a sentence. */
export function sayBrought(brought: string | null): string {
  return brought === null ? "" : `; its file came ${brought}`;
}

/** What a node that takes requests has of the model already. */
function howFar(entry: NodeEntry | null, model: string): "served" | "coming" | "nothing" {
  if (entry?.standing !== "ready" || entry.state === null) return "nothing";
  const { engines, replicas } = entry.state;
  if (replicas.some((replica) => replica.model === model)) return "served";
  const coming = engines.some(({ managed, state, models }) => managed && COMING.has(state) && models.includes(model));
  return coming ? "coming" : "nothing";
}

const COMING: ReadonlySet<EngineStatus["state"]> = new Set(["starting", "backoff"]);

/** What lies on each of the ready nodes that answer. */
async function filesOf(
  { registry, link }: AssignParts,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly AvailableModel[]>> {
  const ready = registry.list().filter(({ standing }) => standing === "ready" || standing === "draining");
  const answers = await Promise.all(
    ready.map(async ({ id }) => {
      const answer = await link.call(id, availableModels(), AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]));
      return answer.ok ? [[id, answer.value] as const] : [];
    }),
  );
  return new Map(answers.flat());
}

async function untilServed(
  registry: NodeRegistry,
  node: string,
  model: string,
  engineId: string,
  signal: AbortSignal,
): Promise<Result<void, string>> {
  const deadline = performance.now() + LOAD_MS;
  while (!signal.aborted) {
    const entry = registry.get(node);
    if (entry === null) return err("was removed");
    if (entry.standing === "lost") return err("was lost while it loaded the model");
    if (entry.state?.replicas.some((replica) => replica.model === model) === true) return ok(undefined);
    const engine = entry.state?.engines.find(({ id }) => id === engineId);
    if (engine?.state === "crashloop") return err(engine.problem ?? "cannot load the model");
    if (performance.now() >= deadline) return err("did not load the model in time");
    await wait(LOOK_MS, signal);
  }
  return err("broken off");
}
