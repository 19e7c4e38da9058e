import { dirname } from "node:path";
import type { LaunchSpec, PortRange } from "../driver.ts";

export interface LlamaServerLaunch {
  /** Names the log and the state file. */
  readonly id: string;
  /** The program itself. */
  readonly binary: string;
  readonly modelPath: string;
  readonly modelId: string;
  readonly modelBytes: number;
  /** Tokens of one sequence. */
  readonly contextTokens: number;
  readonly slots: number;
  readonly threads: number;
  readonly gpu: "auto" | "off";
  readonly ports: PortRange;
  readonly adapters: readonly { readonly path: string }[];
  /** The child's environment but for its settings. */
  readonly childEnv: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** Loading is reading the file: what even a slow disk gives, and time for the GPU's set-up. */
const SLOW_DISK_BYTES_PER_MS = 30_000;
const BASE_READY_TIMEOUT_MS = 60_000;

/** A `llama-server` of Flock's own, on loopback only, with a key that stands in no argument. */
export function llamaServerLaunch(launch: LlamaServerLaunch): LaunchSpec {
  const { slots, contextTokens } = launch;
  const args = [
    "--model",
    launch.modelPath,
    "--alias",
    launch.modelId,
    "--host",
    "127.0.0.1",
    "--port",
    "{port}",
    // Shared out among the slots: what one sequence may have, times their number.
    "--ctx-size",
    String(contextTokens * slots),
    "--parallel",
    String(slots),
    "--threads",
    String(launch.threads),
    ...(launch.gpu === "off" ? ["--n-gpu-layers", "0"] : []),
    "--jinja",
    "--metrics",
    "--no-webui",
    "--offline",
    ...(launch.adapters.length > 0
      ? ["--lora", launch.adapters.map(({ path }) => path).join(","), "--lora-init-without-apply"]
      : []),
  ];
  return {
    id: launch.id,
    kind: "llamacpp",
    command: launch.binary,
    args,
    env: {
      ...launch.childEnv,
      LLAMA_API_KEY: "{secret}",
      // An abort should end it at once, not after a debugger has looked at it.
      GGML_NO_BACKTRACE: "1",
      // Release archives keep their libraries beside the program; a build of one's own may have lost its way to them.
      LD_LIBRARY_PATH: [dirname(launch.binary), launch.childEnv["LD_LIBRARY_PATH"]].filter(Boolean).join(":"),
    },
    cwd: launch.cwd,
    readyTimeoutMs: BASE_READY_TIMEOUT_MS + Math.ceil(launch.modelBytes / SLOW_DISK_BYTES_PER_MS),
    listens: { ports: launch.ports, healthPath: "/health" },
  };
}
