import type { LaunchSpec, PortRange } from "../driver.ts";

export interface MlxLaunch {
  readonly id: string;
  readonly binary: string;
  /** A directory of weights, or a repository of Hugging Face that is on disk. */
  readonly model: string;
  readonly ports: PortRange;
  readonly childEnv: Readonly<Record<string, string>>;
  readonly cwd: string;
}

const READY_TIMEOUT_MS = 600_000;

/** An `mlx_lm.server` of Flock's own. It knows no key: loopback is all that guards it. It may not download. */
export function mlxLaunch(launch: MlxLaunch): LaunchSpec {
  return {
    id: launch.id,
    kind: "mlx",
    command: launch.binary,
    args: ["--model", launch.model, "--host", "127.0.0.1", "--port", "{port}"],
    env: { ...launch.childEnv, HF_HUB_OFFLINE: "1" },
    cwd: launch.cwd,
    readyTimeoutMs: READY_TIMEOUT_MS,
    listens: { ports: launch.ports, healthPath: "/health" },
  };
}
