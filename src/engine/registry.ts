import type { EngineKind } from "../core/replica.ts";
import type { EngineWire } from "./driver.ts";
import { embeddedWire } from "./embedded/wire.ts";
import { llamaCppWire } from "./llama-cpp/wire.ts";
import { mlxWire } from "./mlx/wire.ts";
import { ollamaWire } from "./ollama/wire.ts";
import { vllmWire } from "./vllm/wire.ts";

/** The gateway's half of every engine this version can drive. A new engine is a folder and a line here. */
export const ENGINE_WIRES: Partial<Record<EngineKind, EngineWire>> = {
  embedded: embeddedWire,
  llamacpp: llamaCppWire,
  ollama: ollamaWire,
  vllm: vllmWire,
  mlx: mlxWire,
};
