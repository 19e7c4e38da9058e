import type { LoadedConfig } from "../config/load.ts";
import type { Result } from "../core/result.ts";
import type { LeaderProblem } from "./leader-control.ts";

/** The cluster that this machine is a worker of. */
export interface Member {
  readonly node: string;
  /** `host:port` of the leader, as it was reached last. */
  readonly leader: string;
  /** It was taken out of it: it may join any, and does not start before it did, or left. */
  readonly removed?: boolean;
}

export interface JoinInput {
  readonly config: LoadedConfig;
  /** As it was typed: host, host:port or URL, the token cut off. */
  readonly host: string;
  readonly token: string;
  /** Null: the host's name. */
  readonly name: string | null;
  /** Whether the leader may put a model on this machine by itself. */
  readonly assign: boolean;
  readonly signal: AbortSignal;
}

/** A leader that announces itself on this network. */
export interface SeenLeader {
  readonly name: string;
  /** Base URL for clients, which `flock join` takes. */
  readonly url: string;
  readonly version: string;
}

/** Becoming a worker and ceasing to be one. Running it is `LeaderControl`'s. */
export interface Membership {
  /** Null: it belongs to no cluster. */
  of(dataDir: string): Promise<Result<Member | null, LeaderProblem>>;
  /** Registers this machine and keeps its credential; starts nothing. */
  join(input: JoinInput): Promise<Result<Member, LeaderProblem>>;
  /** Tells the leader, and forgets the credential. `told` false: the leader could not be reached, and still lists it. */
  leave(dataDir: string, signal: AbortSignal): Promise<Result<{ readonly told: boolean } & Member, LeaderProblem>>;
  /** Leaders on the local network, after a short while of listening. */
  discover(signal: AbortSignal): Promise<readonly SeenLeader[]>;
}
