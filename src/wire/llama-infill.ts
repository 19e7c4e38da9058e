import { z } from "zod";
import { later } from "./later.ts";

const count = later(() => z.number().int().nonnegative());
const logprob = later(() => ({ token: z.string(), logprob: z.number(), bytes: z.array(z.number()).nullish() }));

/** A frame of llama-server's own completion stream (`POST /infill`). The last one has `stop: true` and the counts. */
export const llamaInfillFrame = later(() =>
  z.looseObject({
    content: z.string().nullish(),
    stop: z.boolean().nullish(),
    stop_type: z.string().nullish(),
    stopping_word: z.string().nullish(),
    tokens_predicted: count().nullish(),
    tokens_evaluated: count().nullish(),
    timings: z.looseObject({ cache_n: z.number().nullish() }).nullish(),
    completion_probabilities: z
      .array(z.looseObject({ ...logprob(), top_logprobs: z.array(z.looseObject(logprob())).nullish() }))
      .nullish(),
    error: z.unknown().optional(),
  }),
);
export type LlamaInfillFrame = z.infer<ReturnType<typeof llamaInfillFrame>>;
