import { totalmem } from "node:os";
import type { EngineManager } from "../engine/driver.ts";
import { llamaCppManager } from "../engine/llama-cpp/manage.ts";
import { mlxManager } from "../engine/mlx/manage.ts";
import { ollamaManager } from "../engine/ollama/manage.ts";
import { vllmManager } from "../engine/vllm/manage.ts";
import type { AgentOptions } from "./agent-options.ts";
import { type AttachedKind, isThisMachine } from "./engine-candidates.ts";

/** What decides on engines that somebody else started: where they may be, and how they are asked. */
export type AttachedOptions = Pick<AgentOptions, "endpoints" | "ownPorts" | "ollama" | "mlx" | "enginePreferred">;

export function attachedManagers(options: AttachedOptions): Readonly<Record<AttachedKind, EngineManager>> {
  return {
    ollama: ollamaManager({ ...options.ollama, memoryBytes: memoryAt(options.endpoints.ollama.url) }),
    vllm: vllmManager,
    mlx: mlxManager(options.mlx),
    llamacpp: llamaCppManager,
  };
}

/** Null: on another machine, of which nothing is known. */
function memoryAt(url: string): number | null {
  return URL.canParse(url) && isThisMachine(new URL(url).hostname) ? totalmem() : null;
}
