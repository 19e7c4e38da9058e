import { z } from "zod";
import type { Endpoint } from "../driver.ts";
import { askEngine } from "../ask-engine.ts";

const counters = z.looseObject({ batches: z.number(), embeddingTokens: z.number() });

/** Steps of the model: a prompt is evaluated in slices, each of them a step. */
export async function embeddedProgress(at: Endpoint, signal: AbortSignal): Promise<number | null> {
  const answer = await askEngine(at, "/counters", signal);
  const read = counters.safeParse(answer.ok ? answer.value.body : null);
  return read.success ? read.data.batches + read.data.embeddingTokens : null;
}
