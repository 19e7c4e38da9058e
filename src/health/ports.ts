import type { Failure } from "../core/failure.ts";
import type { Replica } from "../core/replica.ts";

/** One request at one replica, as the watch sees it. */
export interface InFlight {
  /** When the engine last sent something (`performance.now()`); the beginning, before it did. */
  readonly lastByteMs: number;
  /** False while the client, not the engine, is the one that is waited for. */
  readonly awaitsEngine: boolean;
  /** Tokens come as they are made. False: one piece at the end, so that silence says little. */
  readonly streams: boolean;
  /** Content reached the client's side: no other replica may take over. */
  readonly contentSeen: boolean;
  /** The replica is given up: end this now, with this failure. Called once at most. */
  lost(failure: Failure): void;
}

/** What the leader saw of an engine, for its agent. */
export interface EngineDoubt {
  /** For the log and the engine's problem, one line. */
  readonly reason: string;
  /** How often in a row it was silent for too long with requests in flight; 0: it failed in another way. */
  readonly strikes: number;
}

/** What an agent says after it looked. */
export interface EngineCheck {
  /** It answers. */
  readonly healthy: boolean;
  /** It did work since the last look; null: this kind of engine does not tell. */
  readonly progressing: boolean | null;
}

export interface WatchParts {
  readonly monotonicMs: () => number;
  /** Lets the replica's node look at the engine now. Null: the node did not answer. Never rejects. */
  readonly check: (replica: Replica, doubt: EngineDoubt, signal: AbortSignal) => Promise<EngineCheck | null>;
  /** Another replica of the same model could take requests now. */
  readonly hasOther: (replica: Replica) => boolean;
  /** A replica may be used again: whoever waits should look. */
  readonly wake: () => void;
  readonly log: (message: string, fields: Record<string, unknown>) => void;
}
