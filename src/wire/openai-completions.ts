import { z } from "zod";
import { later } from "./later.ts";
import { openaiUsage } from "./openai-chat.ts";
import { samplingFields, tokenCount, tokenLimit } from "./sampling-bounds.ts";
import { textOrTokens } from "./token-lists.ts";
import { tokenLogprobs } from "./token-logprobs.ts";

/** Body of `POST /v1/completions`. */
export const openaiCompletionsRequest = later(() =>
  z.looseObject({
    model: z.string().min(1),
    prompt: textOrTokens({
      nothing: "at least one prompt is needed",
      noText: null,
      noTokens: "an empty list of tokens is no prompt",
    }),
    suffix: z.string().nullish(),
    stream: z.boolean().nullish(),
    stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
    max_tokens: tokenLimit(),
    stop: z.union([z.string(), z.array(z.string())]).nullish(),
    ...samplingFields(),
    /** How many alternatives for each token; the token itself comes with 0 too. */
    logprobs: tokenCount().nullish(),
    user: z.string().nullish(),
    prompt_cache_key: z.string().nullish(),
    n: z.number().int().nullish(),
    best_of: z.number().int().nullish(),
    echo: z.boolean().nullish(),
    logit_bias: z.record(z.string(), z.number()).nullish(),
  }),
);
export type OpenaiCompletionsRequest = z.infer<ReturnType<typeof openaiCompletionsRequest>>;

/** OpenAI's lists side by side, or the list of objects of newer engines (llama-server), which is the chat's form. */
const logprobs = later(() =>
  z.looseObject({
    tokens: z.array(z.string()).nullish(),
    token_logprobs: z.array(z.number().nullable()).nullish(),
    top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullish(),
    content: tokenLogprobs().nullish(),
  }),
);
export type OpenaiCompletionLogprobs = z.infer<ReturnType<typeof logprobs>>;

/** A chunk of a stream, or a whole answer: they have one shape. */
export const openaiCompletionsAnswer = later(() =>
  z.looseObject({
    id: z.string().nullish(),
    model: z.string().nullish(),
    choices: z
      .array(
        z.looseObject({
          index: z.number().int().nullish(),
          text: z.string().nullish(),
          finish_reason: z.string().nullish(),
          /** vLLM: the stop string that matched. */
          stop_reason: z.union([z.string(), z.number()]).nullish(),
          logprobs: logprobs().nullish(),
        }),
      )
      .nullish(),
    usage: openaiUsage().nullish(),
    error: z.unknown().optional(),
  }),
);
export type OpenaiCompletionsAnswer = z.infer<ReturnType<typeof openaiCompletionsAnswer>>;
