import type { EngineKind } from "../core/replica.ts";
import type { Endpoint } from "./driver.ts";
import { embeddedProgress } from "./embedded/progress.ts";
import { llamaServerProgress } from "./llama-cpp/progress.ts";
import { vllmProgress } from "./vllm/progress.ts";

/** A number that grows with every step of work, prompts included; null: it did not say. Never rejects. */
type Progress = (at: Endpoint, signal: AbortSignal) => Promise<number | null>;

/** Engines that show their work. The silence of the others may be a long prompt. */
const PROGRESS: Partial<Record<EngineKind, Progress>> = {
  embedded: embeddedProgress,
  llamacpp: llamaServerProgress,
  vllm: vllmProgress,
};

export async function readProgress(kind: EngineKind, at: Endpoint, signal: AbortSignal): Promise<number | null> {
  return (await PROGRESS[kind]?.(at, signal)) ?? null;
}
