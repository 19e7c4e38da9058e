import { z } from "zod";
import { later } from "./later.ts";
import type { JsonObject } from "../core/chat-request.ts";
import { isJsonObject } from "./parse-body.ts";
import { samplingFields, tokenCount } from "./sampling-bounds.ts";
import { tokenLogprobs } from "./token-logprobs.ts";

/** Values that came out of `JSON.parse`: looking into a tool's schema again would cost more than the rest together. */
const jsonObject = z.custom<JsonObject>(isJsonObject, "expected an object");
const nanoseconds = later(() => z.number().nullish());

/** Ids are new and may be missing. Ollama itself takes an object only; some clients send OpenAI's text. */
const toolCall = later(() =>
  z.looseObject({
    id: z.string().nullish(),
    function: z.looseObject({ name: z.string(), arguments: z.union([jsonObject, z.string()]).nullish() }),
  }),
);

const message = later(() =>
  z.looseObject({
    // Ollama lowers the case too.
    role: z
      .string()
      .toLowerCase()
      .pipe(z.enum(["system", "developer", "user", "assistant", "tool"])),
    content: z.string().nullish(),
    thinking: z.string().nullish(),
    images: z.array(z.string()).nullish(),
    tool_calls: z.array(toolCall()).nullish(),
    tool_name: z.string().nullish(),
    tool_call_id: z.string().nullish(),
  }),
);
export type OllamaMessage = z.infer<ReturnType<typeof message>>;

const tool = later(() =>
  z.looseObject({
    type: z.literal("function").nullish(),
    function: z.looseObject({
      name: z.string(),
      description: z.string().nullish(),
      parameters: jsonObject.nullish(),
    }),
  }),
);
export type OllamaTool = z.infer<ReturnType<typeof tool>>;

/** The options that change an answer and have a word in the core vocabulary; all others survive unread. */
const options = later(() =>
  z.looseObject({
    /** Below 0: no limit. */
    num_predict: z.number().int().nullish(),
    ...samplingFields(),
    stop: z.union([z.string(), z.array(z.string())]).nullish(),
  }),
);
export type OllamaOptions = z.infer<ReturnType<typeof options>>;

/** What `/api/chat` and `/api/generate` have in common. */
const generation = later(() => ({
  model: z.string().min(1),
  /** Absent means true. */
  stream: z.boolean().nullish(),
  format: z.union([z.enum(["json", ""]), jsonObject]).nullish(),
  think: z.union([z.boolean(), z.enum(["low", "medium", "high", "max"])]).nullish(),
  options: options().nullish(),
  keep_alive: z.union([z.number(), z.string()]).nullish(),
  truncate: z.boolean().nullish(),
  shift: z.boolean().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: tokenCount().max(20, "at most 20 alternatives a token").nullish(),
  _debug_render_only: z.boolean().nullish(),
}));

/** Body of `POST /api/chat`. Without messages it loads or unloads the model: see `keep-alive.ts`. */
export const ollamaChatRequest = later(() =>
  z.looseObject({
    ...generation(),
    messages: z.array(message()).min(1, "at least one message is needed"),
    tools: z.array(tool()).nullish(),
  }),
);
export type OllamaChatRequest = z.infer<ReturnType<typeof ollamaChatRequest>>;

/** Body of `POST /api/generate`. */
export const ollamaGenerateRequest = later(() =>
  z.looseObject({
    ...generation(),
    prompt: z.string().nullish(),
    suffix: z.string().nullish(),
    system: z.string().nullish(),
    template: z.string().nullish(),
    raw: z.boolean().nullish(),
    context: z.array(z.number()).nullish(),
    images: z.array(z.string()).nullish(),
  }),
);
export type OllamaGenerateRequest = z.infer<ReturnType<typeof ollamaGenerateRequest>>;

/** Body of `POST /api/embed`. */
export const ollamaEmbedRequest = later(() =>
  z.looseObject({
    model: z.string().min(1),
    input: z.union([z.string(), z.array(z.string())]).nullish(),
    truncate: z.boolean().nullish(),
    dimensions: z.number().int().nonnegative().nullish(),
  }),
);

/** Body of `POST /api/embeddings`, which `/api/embed` came after. */
export const ollamaEmbeddingsRequest = later(() =>
  z.looseObject({ model: z.string().min(1), prompt: z.string().nullish() }),
);

/** Answer of `POST /api/embed`. */
export const ollamaEmbedAnswer = later(() =>
  z.looseObject({
    model: z.string().nullish(),
    embeddings: z.array(z.array(z.number())),
    prompt_eval_count: tokenCount().nullish(),
  }),
);

/** A line of a stream, or a whole answer; of `/api/generate` where `response` stands in place of `message`. */
export const ollamaAnswer = later(() =>
  z.looseObject({
    model: z.string().nullish(),
    created_at: z.string().nullish(),
    message: z
      .looseObject({
        content: z.string().nullish(),
        thinking: z.string().nullish(),
        tool_calls: z.array(toolCall()).nullish(),
      })
      .nullish(),
    response: z.string().nullish(),
    thinking: z.string().nullish(),
    tool_calls: z.array(toolCall()).nullish(),
    done: z.boolean().nullish(),
    done_reason: z.string().nullish(),
    logprobs: tokenLogprobs().nullish(),
    total_duration: nanoseconds(),
    load_duration: nanoseconds(),
    prompt_eval_count: tokenCount().nullish(),
    prompt_eval_duration: nanoseconds(),
    eval_count: tokenCount().nullish(),
    eval_duration: nanoseconds(),
    error: z.unknown().optional(),
  }),
);
export type OllamaAnswer = z.infer<ReturnType<typeof ollamaAnswer>>;
