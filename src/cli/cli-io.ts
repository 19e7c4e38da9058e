import type { Clock } from "../core/clock.ts";
import type { LeaderControl } from "./leader-control.ts";
import type { TextSink } from "./output.ts";
import type { Prompts } from "./pick.ts";

/** Everything that a run of the CLI touches outside itself. */
export interface CliIo {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly stdinIsTTY: boolean;
  /** All of standard input; absent: nothing comes from there. */
  readonly readStdin?: () => Promise<string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Starts and stops Flock on this machine. */
  readonly leader: LeaderControl;
  /** How a person calls this program, for the commands it prints; absent: `flock`. */
  readonly program?: string;
  /** Absent: the terminal's. */
  readonly prompts?: Prompts;
}
