import type { LoadedConfig } from "../config/load.ts";
import type { Log } from "../telemetry/log.ts";

/** What a leader or a worker is started with. */
export interface StartOptions {
  readonly config: LoadedConfig;
  readonly version: string;
  readonly log: Log;
  /** How Flock is called from a shell, for the lines that are printed. */
  readonly program: string;
  /** Runs this executable as an agent: executable first. */
  readonly agentCommand: readonly string[];
  /** Runs the embedded engine's child. */
  readonly engineCommand: readonly string[];
  readonly engineEnv: Readonly<Record<string, string>>;
  /** Only for the child: the agent is started with `engineEnv` alone. */
  readonly engineChildEnv: Readonly<Record<string, string>>;
  readonly bundledModel: string;
  readonly bundledCatalog: string;
  readonly gpuCommand: string;
  /** A leader that runs on the same directory is to make room, without an interruption. */
  readonly takesOver: boolean;
  /** Gets a line for the terminal while the engine is not ready yet. */
  readonly progress: (line: string) => void;
}
