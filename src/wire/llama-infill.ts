import { z } from "zod";
import { later } from "./later.ts";
import { tokenCount } from "./sampling-bounds.ts";
import { tokenLogprobs } from "./token-logprobs.ts";

/** A frame of llama-server's own completion stream (`POST /infill`). The last one has `stop: true` and the counts. */
export const llamaInfillFrame = later(() =>
  z.looseObject({
    content: z.string().nullish(),
    stop: z.boolean().nullish(),
    stop_type: z.string().nullish(),
    stopping_word: z.string().nullish(),
    tokens_predicted: tokenCount().nullish(),
    tokens_evaluated: tokenCount().nullish(),
    timings: z.looseObject({ cache_n: z.number().nullish() }).nullish(),
    completion_probabilities: tokenLogprobs().nullish(),
    error: z.unknown().optional(),
  }),
);
export type LlamaInfillFrame = z.infer<ReturnType<typeof llamaInfillFrame>>;
