import type { Failure } from "../core/failure.ts";
import type { Replica } from "../core/replica.ts";
import type { Result } from "../core/result.ts";
import type { TokenUsage } from "../core/token-usage.ts";

/** A slot of a replica, taken by one request. */
export interface Lease {
  readonly replica: Replica;
  readonly reason: string;
  /** How long the request waited for it. */
  readonly queueMs: number;
  /** The prompt is worked off: the first content came. */
  prefilled(): void;
  /** Gives the slot back, with what the engine counted; null: it did not get that far. Any number of calls. */
  end(usage: TokenUsage | null): void;
}

export type Picked = Result<Lease, Failure>;

export interface RouterClock {
  nowMs(): number;
  /** Runs it once after that time; the returned function takes it back. */
  after(ms: number, run: () => void): () => void;
}

const LONGEST_MS = 60_000;

export const systemRouterClock: RouterClock = {
  nowMs: () => performance.now(),
  after(ms, run) {
    // A longer time-out would run at once, over and over: who waits for a trial to end has no time to name.
    const timer = setTimeout(run, Math.min(ms, LONGEST_MS));
    return () => clearTimeout(timer);
  },
};
