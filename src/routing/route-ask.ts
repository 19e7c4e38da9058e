import type { Failure } from "../core/failure.ts";
import type { Replica } from "../core/replica.ts";
import type { Result } from "../core/result.ts";
import type { TokenUsage } from "../core/token-usage.ts";

/** What a conversation can be known by. */
export interface Conversation {
  /** The client's own name for it, with its key; "" for none. */
  readonly session: string;
  /** The bytes of the prompt, from its beginning, without what changes from turn to turn. */
  readonly prompt: Uint8Array;
}

/** A request that looks for a replica. */
export interface RouteAsk {
  readonly requestId: string;
  readonly model: string;
  readonly keyId: string;
  /** It can wait: interactive requests go before it. */
  readonly batch: boolean;
  /** A guess. */
  readonly promptTokens: number;
  /** The client's own limit on the answer; null: none. */
  readonly maxOutputTokens: number | null;
  /** It waits for an engine that is starting: nobody else could answer meanwhile. */
  readonly patient: boolean;
  /** Read once, and only where replicas compete. */
  conversation(): Conversation;
  /** Read only where some replicas of the model see images and others do not. */
  hasImages(): boolean;
  /** Called when it has to wait for a slot. */
  queued(place: QueuePlace): void;
}

/** Where a request stands that waits. */
export interface QueuePlace {
  /** 1 is next; 0: it does not wait any more. */
  position(): number;
}

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
