import { z } from "zod";
import type { Sampling } from "./chat-call.ts";

const MAX_STOPS = 64;
/** OpenAI's bounds, and about what changes a choice in any model. */
const MAX_BIAS = 100;

/** -1 is llama-server's word for "no limit". */
export const tokenLimit = z
  .int()
  .refine((n) => n > 0 || n === -1, "must be at least 1")
  .nullish();

const stopString = z.string().min(1).max(1024);
export const stops = z.union([stopString, z.array(stopString).max(MAX_STOPS)]).nullish();

export const samplingFields = {
  temperature: z.number().min(0).max(10).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z.record(z.string().regex(/^\d+$/), z.number().min(-MAX_BIAS).max(MAX_BIAS)).nullish(),
};
const fields = z.looseObject(samplingFields);

/** The defaults are llama-server's. */
export function parseSampling(call: z.infer<typeof fields>): Sampling {
  return {
    temperature: call.temperature ?? 0.8,
    topP: call.top_p ?? 0.95,
    topK: call.top_k ?? 40,
    minP: call.min_p ?? 0.05,
    seed: toSeed(call.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0),
    presencePenalty: call.presence_penalty ?? 0,
    frequencyPenalty: call.frequency_penalty ?? 0,
    logitBias: new Map(Object.entries(call.logit_bias ?? {}).map(([token, bias]) => [Number(token), bias])),
  };
}

export function parseStops(given: z.infer<typeof stops>): string[] {
  return typeof given === "string" ? [given] : (given ?? []);
}

/** Null: up to the end of the window. */
export function parseLimit(given: number | null | undefined): number | null {
  return given === undefined || given === null || given === -1 ? null : given;
}

/** Any whole number to 32 bits. 2^32-1 means "random" to llama.cpp, which would break "same seed, same text". */
function toSeed(seed: number): number {
  const folded = ((seed % 2 ** 32) + 2 ** 32) % 2 ** 32;
  return folded === 2 ** 32 - 1 ? 0 : folded;
}
