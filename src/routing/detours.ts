import type { Replica } from "../core/replica.ts";
import { LatencyWindow } from "./latency-window.ts";
import type { ReplicaBoard } from "./replica-board.ts";
import { RetryBudget } from "./retry-budget.ts";

/** What a request needs of the model that answers instead. */
export interface Asker {
  /** Could this replica answer it? */
  fits(replica: Replica): boolean;
}

/** Which models answer in the place of one that cannot, or that is too slow; and how often anything is tried again. */
export class Detours {
  readonly #board: ReplicaBoard;
  readonly #nowMs: () => number;
  /** 0: slowness moves nobody. */
  readonly #p95LimitMs: number;
  readonly #budget: RetryBudget;
  readonly #latencies = new Map<string, LatencyWindow>();
  #chains: ReadonlyMap<string, readonly string[]> = new Map();

  constructor(board: ReplicaBoard, p95LimitMs: number, nowMs: () => number) {
    this.#board = board;
    this.#p95LimitMs = p95LimitMs;
    this.#nowMs = nowMs;
    this.#budget = new RetryBudget(nowMs);
  }

  /** For each model those that are tried after it, in their order. */
  setChains(chains: ReadonlyMap<string, readonly string[]>): void {
    this.#chains = chains;
  }

  /** A request begins. */
  began(): void {
    this.#budget.earn();
  }

  /** May any request be tried once more? */
  mayRetry(): boolean {
    return this.#budget.spend();
  }

  /** The next of the model's chain that a live replica serves which fits the request; null: none. `asked`: models tried already. */
  next(model: string, asked: ReadonlySet<string>, asker: Asker): string | null {
    for (const other of this.#chains.get(model) ?? []) {
      if (!asked.has(other) && this.#serves(other, asker)) return other;
    }
    return null;
  }

  /** A model to ask in this one's place, because its answers take too long to begin; null: it will do. */
  quicker(model: string, asker: Asker): string | null {
    if (this.#p95LimitMs === 0 || !this.#slow(model)) return null;
    for (const other of this.#chains.get(model) ?? []) {
      if (!this.#slow(other) && this.#serves(other, asker)) return other;
    }
    return null;
  }

  /** An answer of the model began this long after its request came. */
  took(model: string, ms: number): void {
    if (this.#p95LimitMs === 0) return;
    let window = this.#latencies.get(model);
    if (window === undefined) {
      window = new LatencyWindow();
      this.#latencies.set(model, window);
    }
    window.add(ms, this.#nowMs());
  }

  #slow(model: string): boolean {
    const p95 = this.#latencies.get(model)?.p95(this.#nowMs()) ?? null;
    return p95 !== null && p95 > this.#p95LimitMs;
  }

  #serves(model: string, asker: Asker): boolean {
    const nowMs = this.#nowMs();
    return this.#board.state.replicas.some(
      (replica) => replica.model === model && asker.fits(replica) && this.#board.shutMs(replica.id, nowMs) === 0,
    );
  }
}
