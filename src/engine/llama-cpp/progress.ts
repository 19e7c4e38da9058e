import type { Endpoint } from "../driver.ts";
import { readMetrics } from "./metrics-text.ts";

/** Decode calls, which prompts are made of too. Null without `--metrics`. */
export async function llamaServerProgress(at: Endpoint, signal: AbortSignal): Promise<number | null> {
  const metrics = await readMetrics(at, signal);
  return metrics?.get("llamacpp:n_decode_total") ?? null;
}
