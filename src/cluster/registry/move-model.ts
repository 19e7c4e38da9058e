import type { NodeState } from "../../core/node.ts";
import { ok, type Result } from "../../core/result.ts";
import { wait } from "../../core/wait.ts";
import { type Assigned, sayBrought } from "./assign-model.ts";
import type { NodeRegistry } from "./node-registry.ts";

export interface MoveParts {
  readonly registry: NodeRegistry;
  /** Requests of this leader in flight on a replica. */
  readonly busy: (replicaId: string) => number;
  /** False after a restart while the leader before still gives answers, which `busy` does not count. */
  readonly alone: () => boolean;
  /** Loads the model on a node, its file brought along. The error says why it cannot have it. */
  readonly put: (
    model: string,
    to: string,
    from: string,
    signal: AbortSignal,
    progress: (message: string) => void,
  ) => Promise<Result<Assigned, string>>;
  readonly unload: (node: string, model: string, signal: AbortSignal) => Promise<Result<void, string>>;
}

export interface Move {
  readonly model: string;
  readonly from: string;
  readonly to: string;
}

export interface MoveContext {
  readonly signal: AbortSignal;
  readonly progress: (done: number, total: number | null, message: string) => void;
}

const LOOK_MS = 100;
/** For the node to tell that it has let go. */
const TOLD_MS = 30_000;
/** For its engine to end; what is left then ends by itself. */
const ENDED_MS = 5_000;
const STEPS = 3;

/**
 * Live migration: loads the model on the new node, sends new requests there alone, lets running answers of the old one
 * end, unloads it there. Done twice, the second time goes on where the first was. Throws with words for a person; the old
 * node then serves as before, unless it is what was lost.
 */
export async function moveModel(
  parts: MoveParts,
  { model, from, to }: Move,
  { signal, progress }: MoveContext,
): Promise<void> {
  const { registry } = parts;
  const [source, target] = [from, to].map((id) => registry.get(id)?.name ?? id) as [string, string];
  const asBefore = (): string =>
    serves(registry, from, model)
      ? `${source} serves ${model} as before`
      : `${source} is ${registry.get(from)?.standing ?? "removed"}`;
  let brought = "";
  await untilHeard(registry, signal);
  // Another move or a drain was first: what is brought now would be one copy too many.
  if (isThere(registry, from) && !isHeld(registry, from, model) && !isHeld(registry, to, model))
    throw new Error(`${source} has ${model} no more, so there is nothing to move`);
  if (!serves(registry, to, model)) {
    progress(0, STEPS, `bringing it to ${target}`);
    const put = await parts.put(model, to, from, signal, (message) => progress(0, STEPS, message));
    signal.throwIfAborted();
    if (!put.ok) throw new Error(`${put.error}; ${asBefore()}`);
    brought = sayBrought(put.value.brought);
  }
  if (registry.get(to)?.standing !== "ready" || !serves(registry, to, model))
    throw new Error(`${target} is ${registry.get(to)?.standing ?? "removed"}; ${asBefore()}`);
  registry.leave(from, model);
  registry.note(from, `new requests for ${model} go to ${target}`);
  try {
    await untilQuiet(parts, { model, from, to }, { source, target }, { signal, progress });
    progress(2, STEPS, `unloading it on ${source}`);
    // The leader before may have been killed when that was done.
    const gone = isHeld(registry, from, model) ? await parts.unload(from, model, signal) : ok(undefined);
    signal.throwIfAborted();
    if (!gone.ok) throw new Error(`${target} serves ${model}, and ${source} still does: ${gone.error}`);
    registry.note(from, unloadedNote(model));
    // Before it has told, its engine would look as if it could be asked.
    const told = AbortSignal.any([signal, AbortSignal.timeout(TOLD_MS)]);
    while (serves(registry, from, model) && !told.aborted) await wait(LOOK_MS, told);
    // An engine that is still ending looks as if the model were there: moved back at once, it would be refused.
    const ended = AbortSignal.any([signal, AbortSignal.timeout(ENDED_MS)]);
    while (isHeld(registry, from, model) && !ended.aborted) await wait(LOOK_MS, ended);
  } finally {
    registry.stay(from, model);
  }
  progress(STEPS, STEPS, `${target} serves ${model}${brought}`);
}

/** After a start of the leader: until each node has told what it has, or is lost. */
export async function untilHeard(registry: NodeRegistry, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && registry.list().some(({ standing }) => standing === "joining")) await wait(LOOK_MS, signal);
}

/** Another model of the engine that serves this one at a node, which would go with it; null: none. */
export function sharedWith(state: NodeState | null, model: string): string | null {
  const replicas = state?.replicas ?? [];
  const engines = new Set(replicas.filter((one) => one.model === model).map(({ engineId }) => engineId));
  return replicas.find((one) => engines.has(one.engineId) && one.model !== model)?.model ?? null;
}

/** For the log of the node that had the model. */
export function unloadedNote(model: string): string {
  return `${model} was unloaded once its answers had ended; its memory is free`;
}

/** Requests of this leader on all replicas of a model at a node. */
export function runningOf(
  { registry, busy }: Pick<MoveParts, "registry" | "busy">,
  node: string,
  model: string | null,
): number {
  const replicas = registry.get(node)?.state?.replicas ?? [];
  const meant = replicas.filter((replica) => model === null || replica.model === model);
  return meant.reduce((sum, replica) => sum + busy(replica.id), 0);
}

/** 0: those are of the leader before. */
export function sayRunning(running: number): string {
  if (running === 0) return "answers of the leader before";
  return `${running} running ${running === 1 ? "answer" : "answers"}`;
}

async function untilQuiet(
  parts: MoveParts,
  { model, from, to }: Move,
  { source, target }: { readonly source: string; readonly target: string },
  { signal, progress }: MoveContext,
): Promise<void> {
  const { registry } = parts;
  for (let said = -1; ;) {
    signal.throwIfAborted();
    const before = registry.get(from)?.standing ?? "removed";
    if (before === "lost" || before === "removed")
      throw new Error(`${source} was ${before} before it let go of ${model}; ${target} serves it`);
    if (!serves(registry, to, model)) throw new Error(`${target} serves ${model} no more; ${source} does again`);
    const now = registry.get(to)?.standing ?? "removed";
    if (now !== "ready") throw new Error(`${target} is ${now}; ${source} serves ${model} again`);
    const running = runningOf(parts, from, model);
    if (running === 0 && parts.alone()) return;
    if (running !== said) progress(1, STEPS, `${sayRunning(running)} on ${source} to end`);
    said = running;
    await wait(LOOK_MS, signal);
  }
}

function isThere(registry: NodeRegistry, node: string): boolean {
  const standing = registry.get(node)?.standing;
  return standing === "ready" || standing === "draining" || standing === "drained";
}

/** Whether an engine there has the model, or is to have it. */
export function isHeld(registry: NodeRegistry, node: string, model: string): boolean {
  const engines = registry.get(node)?.state?.engines ?? [];
  return engines.some(({ state, models }) => state !== "stopped" && models.includes(model));
}

export function serves(registry: NodeRegistry, node: string, model: string): boolean {
  const entry = registry.get(node);
  return entry?.standing !== "lost" && entry?.state?.replicas.some((replica) => replica.model === model) === true;
}
