import type { Failure } from "../core/failure.ts";
import type { EngineKind, Replica } from "../core/replica.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EngineStatus } from "../core/node.ts";
import { leastBusy } from "./least-busy.ts";

/** What the board is told, each time something changes. */
export interface BoardState {
  readonly replicas: readonly Replica[];
  readonly engines: readonly EngineStatus[];
  readonly expected: readonly string[];
}

/**
 * The replicas there are and what each has in flight. A request for a model whose engine is just starting waits here
 * until the replica appears; one for a model whose engine is down for good fails at once, with the way to start it.
 */
export class ReplicaBoard {
  readonly #localNode: string;
  readonly #waitMs: number;
  readonly #busy = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  #state: BoardState = { replicas: [], engines: [], expected: [] };

  constructor(localNode: string, waitMs: number) {
    this.#localNode = localNode;
    this.#waitMs = waitMs;
  }

  get state(): BoardState {
    return this.#state;
  }

  update(state: BoardState): void {
    this.#state = state;
    for (const wake of [...this.#waiting]) wake();
  }

  busy(replicaId: string): number {
    return this.#busy.get(replicaId) ?? 0;
  }

  get inFlight(): number {
    let total = 0;
    for (const count of this.#busy.values()) total += count;
    return total;
  }

  /** One more in flight; the returned function, called any number of times, takes it back once. */
  begin(replica: Replica): () => void {
    const { id } = replica;
    this.#busy.set(id, this.busy(id) + 1);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      const left = this.busy(id) - 1;
      if (left > 0) this.#busy.set(id, left);
      else this.#busy.delete(id);
    };
  }

  async pick(
    model: string,
    tried: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<Result<{ replica: Replica; reason: string }, Failure>> {
    const deadline = performance.now() + this.#waitMs;
    while (true) {
      const pick = leastBusy(this.#state.replicas, model, tried, this, this.#localNode);
      if (pick) return ok(pick);
      if (signal.aborted) return err({ kind: "cancelled" });
      const leftMs = deadline - performance.now();
      const comingUp = this.#state.engines.some((engine) => engine.state === "starting" || engine.state === "backoff");
      if (!comingUp || leftMs <= 0) return err(this.#down());
      await this.#change(leftMs, signal);
    }
  }

  /** Resolves at the next change, after `limitMs`, or when the client goes. */
  #change(limitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      this.#waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #down(): Failure {
    const engine = this.#state.engines.find((candidate) => candidate.state !== "ready") ?? this.#state.engines[0];
    if (!engine) return unreachable("embedded", "this machine", "flock up");
    return unreachable(engine.kind, engine.endpoint || "this machine", engine.start);
  }
}

function unreachable(engine: EngineKind, endpoint: string, start: string): Failure {
  return { kind: "engine_unreachable", engine, endpoint, start };
}
