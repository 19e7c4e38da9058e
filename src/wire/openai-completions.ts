import { z } from "zod";
import { later } from "./later.ts";
import { openaiUsage } from "./openai-chat.ts";
import { frequencyPenalty, minP, presencePenalty, temperature, tokenLimit, topK, topP } from "./sampling-bounds.ts";
import { textOrTokens } from "./token-lists.ts";

const tokenCount = later(() => z.number().int().nonnegative());

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
    temperature: temperature(),
    top_p: topP(),
    top_k: topK(),
    min_p: minP(),
    seed: z.number().int().nullish(),
    presence_penalty: presencePenalty(),
    frequency_penalty: frequencyPenalty(),
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

const tokenBytes = later(() => z.array(z.number()).nullish());
const tokenLogprob = later(() => ({ token: z.string(), logprob: z.number(), bytes: tokenBytes() }));

/** OpenAI's lists side by side, or the list of objects of newer engines (llama-server), which is the chat's form. */
const logprobs = later(() =>
  z.looseObject({
    tokens: z.array(z.string()).nullish(),
    token_logprobs: z.array(z.number().nullable()).nullish(),
    top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullish(),
    content: z
      .array(z.looseObject({ ...tokenLogprob(), top_logprobs: z.array(z.looseObject(tokenLogprob())).nullish() }))
      .nullish(),
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
