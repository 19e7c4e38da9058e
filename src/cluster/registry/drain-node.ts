import type { Result } from "../../core/result.ts";
import { wait } from "../wait.ts";
import type { NodeRegistry } from "./node-registry.ts";

export interface DrainParts {
  readonly registry: NodeRegistry;
  /** Requests of this leader in flight on a replica. */
  readonly busy: (replicaId: string) => number;
  /** Puts the model on another node; resolves with its name when it serves there. The error says why none can. */
  readonly move: (
    model: string,
    from: string,
    signal: AbortSignal,
    progress: (message: string) => void,
  ) => Promise<Result<string, string>>;
}

export interface DrainContext {
  readonly signal: AbortSignal;
  readonly progress: (done: number, total: number | null, message: string) => void;
}

const LOOK_MS = 100;

/** Models of a node that no other ready node serves: they go on being served there until they have moved. */
export function onlyThere(registry: NodeRegistry, id: string): string[] {
  const elsewhere = new Set(
    registry
      .list()
      .filter((entry) => entry.id !== id && entry.standing === "ready")
      .flatMap(({ state }) => state?.replicas ?? [])
      .map(({ model }) => model),
  );
  const here = registry.get(id)?.state?.replicas ?? [];
  return [...new Set(here.map(({ model }) => model))].filter((model) => !elsewhere.has(model));
}

/**
 * After a restart of the leader a node that was being drained counts as drained. What had not moved yet is served there
 * again until it has; the node must have told what that is.
 */
export async function takeUpDrain(registry: NodeRegistry, id: string, signal: AbortSignal): Promise<void> {
  while (registry.get(id)?.standing === "joining" && !signal.aborted) await wait(LOOK_MS, signal);
  const entry = registry.get(id);
  if (entry?.standing === "drained") registry.startDrain(id, new Set(onlyThere(registry, id)), entry.drainedAt ?? 0);
}

/**
 * Empties a node whose drain has begun: moves what only it serves (load on the new node, switch, let the old end), then
 * waits until no request runs there. A model that no node can take is let go with the reason in the node's log.
 */
export async function drainNode(parts: DrainParts, id: string, { signal, progress }: DrainContext): Promise<void> {
  const { registry } = parts;
  const models = [...(registry.get(id)?.held ?? [])];
  const total = models.length + 1;
  for (const [at, model] of models.entries()) {
    signal.throwIfAborted();
    progress(at, total, `moving ${model}`);
    const moved = await parts.move(model, id, signal, (message) => progress(at, total, `moving ${model}: ${message}`));
    signal.throwIfAborted();
    registry.note(id, moved.ok ? `${model} moved to ${moved.value}` : `${model} cannot move: ${moved.error}`);
    registry.letGo(id, model);
  }
  let said = -1;
  for (;;) {
    signal.throwIfAborted();
    const entry = registry.get(id);
    if (entry !== null && entry.drainedAt === null) throw new Error("the drain was taken back");
    const running = (entry?.state?.replicas ?? []).reduce((sum, replica) => sum + parts.busy(replica.id), 0);
    if (entry === null || entry.standing === "lost" || running === 0) break;
    if (running !== said)
      progress(models.length, total, `${running} running ${running === 1 ? "answer" : "answers"} to end`);
    said = running;
    await wait(LOOK_MS, signal);
  }
  registry.finishDrain(id);
  progress(total, total, "no request runs there any more");
}
