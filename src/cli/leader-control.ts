import type { LoadedConfig } from "../config/load.ts";
import type { Result } from "../core/result.ts";
import type { Membership } from "./membership.ts";

/** A leader that runs on this machine. */
export interface LeaderSeen {
  readonly pid: number;
  readonly url: string;
  readonly version: string;
  readonly ready: boolean;
  readonly stopping: boolean;
}

/** One line that says what, and the command that mends it. */
export interface LeaderProblem {
  readonly message: string;
  readonly mend: string;
}

export interface LeaderWay {
  /** For messages. */
  readonly url: string;
  /** Id of this machine's node. */
  readonly node: string;
  /** Throws `NoWay` when none of its addresses answers, or when it does not take this node's calls. */
  send(request: Request, signal: AbortSignal): Promise<Response>;
}

export interface StartRequest {
  readonly config: LoadedConfig;
  /** Settings given as flags, to be given again to a detached process. */
  readonly settingFlags: Readonly<Record<string, string>>;
  /** A leader that runs on the same directory is to make room, without an interruption. */
  readonly takesOver: boolean;
  /** Gets the lines for the person at the terminal. */
  readonly line: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Starting and stopping the server process; the rest of the CLI talks to it over the admin API. */
export interface LeaderControl {
  /** The cluster that this machine is a worker of; what `run` starts is then its worker. */
  readonly membership: Membership;
  /**
   * The way to the leader of the cluster that this machine is a worker of, signed with the node's credential; null: it is
   * none. What it may ask there is the leader's to say.
   */
  asWorker(dataDir: string): Promise<Result<LeaderWay | null, LeaderProblem>>;
  /** Null: none runs on this data directory. */
  find(dataDir: string, signal: AbortSignal): Promise<LeaderSeen | null>;
  /** Runs it in this process; resolves when it has stopped. */
  run(request: StartRequest): Promise<Result<void, LeaderProblem>>;
  /** Runs it in a process of its own; resolves when that is ready. */
  detach(request: StartRequest): Promise<Result<void, LeaderProblem>>;
  /** Stops it, its agent and its engines; `waiting` is called once it is on its way. False: nothing was running. */
  stop(dataDir: string, signal: AbortSignal, waiting: () => void): Promise<Result<boolean, LeaderProblem>>;
  /** Makes an admin key in the data directory itself, without a server; gives its path and plaintext. */
  resetAdminKey(
    config: LoadedConfig,
  ): Promise<Result<{ readonly path: string; readonly secret: string }, LeaderProblem>>;
  /** What was changed while Flock ran, from its database, whether or not it runs; empty where there is none. */
  storedSettings(config: LoadedConfig): Promise<ReadonlyMap<string, unknown>>;
  /** Looks at this machine, whether or not Flock runs; changes nothing. */
  diagnose(config: LoadedConfig, signal: AbortSignal): Promise<readonly Finding[]>;
}

/** One line of `flock doctor`. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly message: string;
  /** What helps; null where nothing needs it. */
  readonly mend: string | null;
}
