import type { Endpoint } from "../driver.ts";
import { readMetrics } from "../llama-cpp/metrics-text.ts";

/** Tokens read and written; null where metrics are switched off. */
export async function vllmProgress(at: Endpoint, signal: AbortSignal): Promise<number | null> {
  const metrics = await readMetrics(at, signal);
  const read = metrics?.get("vllm:prompt_tokens_total");
  const written = metrics?.get("vllm:generation_tokens_total");
  return read === undefined || written === undefined ? null : read + written;
}
