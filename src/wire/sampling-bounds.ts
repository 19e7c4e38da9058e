import { z } from "zod";
import { later } from "./later.ts";

/**
 * What the sampling fields of all APIs may hold. Wider than any one vendor's bounds, since engines differ; what no engine
 * makes sense of is refused here, before one falls back to its default in silence. JSON has no NaN, but a number with a
 * large exponent becomes infinite.
 */
export const BOUNDS = {
  temperature: [0, 10],
  top_p: [0, 1],
  min_p: [0, 1],
  /** -1 is vLLM's word for all. */
  top_k: [-1, 2_147_483_647],
  presence_penalty: [-10, 10],
  frequency_penalty: [-10, 10],
} as const satisfies Record<string, readonly [number, number]>;

/** As large as a 32-bit count of tokens is; every window is far below. */
export const MOST_TOKENS = 2_147_483_647;

function within([least, most]: readonly [number, number]): z.ZodNumber {
  return z.number().min(least, `must be at least ${least}`).max(most, `must be at most ${most}`);
}

export const tokenCount = later(() => z.number().int().nonnegative());

export const tokenLimit = later(() =>
  z.number().int().min(0, "must be at least 0").max(MOST_TOKENS, `must be at most ${MOST_TOKENS}`).nullish(),
);

export const temperature = later(() => within(BOUNDS.temperature).nullish());
export const topP = later(() => within(BOUNDS.top_p).nullish());
const minP = later(() => within(BOUNDS.min_p).nullish());
export const topK = later(() => within(BOUNDS.top_k).nullish());
const presencePenalty = later(() => within(BOUNDS.presence_penalty).nullish());
const frequencyPenalty = later(() => within(BOUNDS.frequency_penalty).nullish());

/** The fields that all of OpenAI's APIs share, with those that engines add to them; Ollama's options have the same. */
export const samplingFields = later(() => ({
  temperature: temperature(),
  top_p: topP(),
  top_k: topK(),
  min_p: minP(),
  seed: z.number().int().nullish(),
  presence_penalty: presencePenalty(),
  frequency_penalty: frequencyPenalty(),
}));
