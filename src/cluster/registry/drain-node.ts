import type { Result } from "../../core/result.ts";
import { wait } from "../../core/wait.ts";
import type { Assigned } from "./assign-model.ts";
import {
  isHeld,
  type MoveParts,
  runningOf,
  sayRunning,
  serves,
  sharedWith,
  unloadedNote,
  untilHeard,
} from "./move-model.ts";
import type { NodeRegistry } from "./node-registry.ts";

export interface DrainParts {
  readonly registry: NodeRegistry;
  /** Requests of this leader in flight on a replica. */
  readonly busy: (replicaId: string) => number;
  readonly alone: MoveParts["alone"];
  /** Puts the model on another node; resolves when it is served there. The error says why none can. */
  readonly move: (
    model: string,
    from: string,
    signal: AbortSignal,
    progress: (message: string) => void,
  ) => Promise<Result<Assigned, string>>;
  readonly unload: MoveParts["unload"];
}

/** Models that were moved away, and the node that serves each now. */
export type MovedTo = Readonly<Record<string, string>>;

export interface DrainContext {
  readonly signal: AbortSignal;
  readonly progress: (done: number, total: number | null, message: string) => void;
  /** What an earlier attempt has moved and perhaps not unloaded yet. */
  readonly moved: MovedTo;
  /** What is held may be of before a start of the leader, or of long ago: what only the node has is looked at anew. */
  readonly lookAnew: boolean;
  /** Resolves when a later attempt will know. */
  readonly keep: (moved: MovedTo) => Promise<void>;
}

const LOOK_MS = 100;
const TAKEN_BACK = "the drain was taken back";

/**
 * Models of a node that no other ready node serves, or is just letting go of: they go on being served there until they have
 * moved. Those of an engine that is starting, or starting anew, are among them: it will serve them in a moment.
 */
export function onlyThere(registry: NodeRegistry, id: string): string[] {
  const elsewhere = new Set(
    registry
      .list()
      .filter((entry) => entry.id !== id && entry.standing === "ready")
      .flatMap(({ state, leaving }) => (state?.replicas ?? []).filter(({ model }) => !leaving.has(model)))
      .map(({ model }) => model),
  );
  const { replicas = [], engines = [] } = registry.get(id)?.state ?? {};
  const coming = engines.flatMap(({ state, models }) => (state === "ready" || state === "stopped" ? [] : models));
  const here = new Set([...replicas.map(({ model }) => model), ...coming]);
  return [...here].filter((model) => !elsewhere.has(model));
}

/**
 * One that is drained again may have kept what could not move, and one that is lost may be back in a moment. Either is served
 * there until it has moved, as soon as the node has told what it is; what others turn out to serve is let go. Nothing to do
 * where the drain has just begun.
 */
async function takeUp(registry: NodeRegistry, id: string, { lookAnew, signal }: DrainContext): Promise<void> {
  while (!signal.aborted && registry.get(id)?.standing === "joining") await wait(LOOK_MS, signal);
  const entry = registry.get(id);
  if (entry?.standing === "drained" || entry?.standing === "lost" || (lookAnew && entry?.standing === "draining"))
    registry.startDrain(id, new Set([...entry.held, ...onlyThere(registry, id)]), entry.drainedAt ?? 0);
  await untilHeard(registry, signal);
  const only = new Set(onlyThere(registry, id));
  for (const model of registry.get(id)?.held ?? []) if (!only.has(model)) registry.letGo(id, model);
}

/**
 * Empties a node whose drain has begun, perhaps under a leader that is gone: moves what only it serves (load on the new
 * node, switch, let the old end, unload here), then waits until no request runs there. A model that no node can take is
 * let go with the reason in the node's log; it stays loaded, as what others serve too. Throws where the node is lost before
 * all has moved: back again it goes on serving that.
 */
export async function drainNode(parts: DrainParts, id: string, context: DrainContext): Promise<void> {
  const { registry } = parts;
  const { signal, progress } = context;
  await takeUp(registry, id, context);
  const models = [...(registry.get(id)?.held ?? [])];
  const total = models.length + 1;
  let moved = context.moved;
  const left: string[] = [];
  for (const [at, model] of models.entries()) {
    signal.throwIfAborted();
    if (registry.get(id)?.drainedAt === null) throw new Error(TAKEN_BACK);
    progress(at, total, `moving ${model}`);
    const done = await parts.move(model, id, signal, (message) => progress(at, total, `moving ${model}: ${message}`));
    signal.throwIfAborted();
    registry.note(id, done.ok ? `${model} moved to ${done.value.name}` : `${model} cannot move: ${done.error}`);
    if (done.ok) {
      moved = { ...moved, [model]: done.value.node };
      await context.keep(moved);
    }
    if (!done.ok && registry.get(id)?.standing === "lost") left.push(model);
    else registry.letGo(id, model);
  }
  if (left.length > 0) {
    const name = registry.get(id)?.name ?? id;
    const what = `${name} was lost before ${left.join(", ")} could move, and serves that once it is back`;
    throw new Error(`${what}; then: flock node drain ${name}`);
  }
  const loaded = new Map(Object.entries(moved));
  for (let said = -1; ;) {
    signal.throwIfAborted();
    const entry = registry.get(id);
    if (entry !== null && entry.drainedAt === null) throw new Error(TAKEN_BACK);
    if (entry === null || entry.standing === "lost") break;
    for (const [model, to] of loaded) {
      if (runningOf(parts, id, model) > 0 || !parts.alone()) continue;
      loaded.delete(model);
      registry.note(id, await unloadMoved(parts, id, model, to, signal));
    }
    const running = runningOf(parts, id, null);
    if (running === 0 && loaded.size === 0 && parts.alone()) break;
    if (running !== said) progress(models.length, total, `${sayRunning(running)} to end`);
    said = running;
    await wait(LOOK_MS, signal);
  }
  registry.finishDrain(id);
  progress(total, total, "no request runs there any more");
}

/** What became of it, for the node's log. */
async function unloadMoved(
  { registry, unload }: DrainParts,
  id: string,
  model: string,
  to: string,
  signal: AbortSignal,
): Promise<string> {
  const state = registry.get(id)?.state ?? null;
  const beside = sharedWith(state, model);
  if (beside !== null) return `${model} stays loaded: its engine serves ${beside} too`;
  if (!serves(registry, to, model)) return `${model} stays loaded: ${registry.get(to)?.name ?? to} serves it no more`;
  // The leader before may have been killed when that was done.
  if (!isHeld(registry, id, model)) return unloadedNote(model);
  const done = await unload(id, model, signal);
  return done.ok ? unloadedNote(model) : `${model} stays loaded: ${done.error}`;
}
