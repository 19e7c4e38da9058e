import type { LaunchSpec, PortRange } from "../driver.ts";

export interface VllmLaunch {
  readonly id: string;
  readonly binary: string;
  /** A directory of weights, or a repository of Hugging Face that is on disk. */
  readonly model: string;
  readonly modelId: string;
  /** 0: the model's own. */
  readonly contextTokens: number;
  readonly ports: PortRange;
  /** LoRA adapters, each served under its name. */
  readonly adapters: readonly { readonly name: string; readonly path: string }[];
  readonly childEnv: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** It compiles kernels before it serves: minutes on a first start. */
const READY_TIMEOUT_MS = 1_800_000;

/** A `vllm serve` of Flock's own, on loopback only; its key stands in the environment, and it may not phone home. */
export function vllmLaunch(launch: VllmLaunch): LaunchSpec {
  return {
    id: launch.id,
    kind: "vllm",
    command: launch.binary,
    args: [
      "serve",
      launch.model,
      "--served-model-name",
      launch.modelId,
      "--host",
      "127.0.0.1",
      "--port",
      "{port}",
      ...(launch.contextTokens > 0 ? ["--max-model-len", String(launch.contextTokens)] : []),
      ...(launch.adapters.length > 0 ? ["--enable-lora", "--lora-modules"] : []),
      ...launch.adapters.map(({ name, path }) => `${name}=${path}`),
    ],
    env: {
      ...launch.childEnv,
      VLLM_API_KEY: "{secret}",
      VLLM_NO_USAGE_STATS: "1",
      HF_HUB_OFFLINE: "1",
    },
    cwd: launch.cwd,
    readyTimeoutMs: READY_TIMEOUT_MS,
    listens: { ports: launch.ports, healthPath: "/health" },
  };
}
