import { z } from "zod";
import { later } from "./later.ts";
import type { JsonObject } from "../core/chat-request.ts";
import { isJsonObject } from "./parse-body.ts";
import { samplingFields, tokenCount, tokenLimit } from "./sampling-bounds.ts";
import { tokenLogprobs } from "./token-logprobs.ts";

/** Values that came out of `JSON.parse`: looking into a tool's schema again would cost more than the rest together. */
const jsonObject = z.custom<JsonObject>(isJsonObject, "expected an object");

const textPart = later(() => z.looseObject({ type: z.literal("text"), text: z.string() }));
const refusalPart = later(() => z.looseObject({ type: z.literal("refusal"), refusal: z.string() }));
const imagePart = later(() =>
  z.looseObject({
    type: z.literal("image_url"),
    image_url: z.looseObject({ url: z.string(), detail: z.enum(["auto", "low", "high"]).nullish() }),
  }),
);
const audioPart = later(() =>
  z.looseObject({
    type: z.literal("input_audio"),
    input_audio: z.looseObject({ data: z.string(), format: z.string() }),
  }),
);
const filePart = later(() =>
  z.looseObject({
    type: z.literal("file"),
    file: z.looseObject({
      file_data: z.string().nullish(),
      file_id: z.string().nullish(),
      filename: z.string().nullish(),
    }),
  }),
);

const toolCall = later(() =>
  z.looseObject({
    id: z.string(),
    type: z.literal("function").nullish(),
    function: z.looseObject({ name: z.string(), arguments: z.union([z.string(), jsonObject]).nullish() }),
  }),
);

const named = later(() => ({ name: z.string().nullish() }));
const message = later(() =>
  z.discriminatedUnion("role", [
    z.looseObject({
      role: z.literal(["system", "developer"]),
      content: z.union([z.string(), z.array(textPart())]).nullish(),
      ...named(),
    }),
    z.looseObject({
      role: z.literal("user"),
      content: z.union([
        z.string(),
        z.array(z.discriminatedUnion("type", [textPart(), imagePart(), audioPart(), filePart()])),
      ]),
      ...named(),
    }),
    z.looseObject({
      role: z.literal("assistant"),
      content: z.union([z.string(), z.array(z.discriminatedUnion("type", [textPart(), refusalPart()]))]).nullish(),
      refusal: z.string().nullish(),
      reasoning_content: z.string().nullish(),
      reasoning: z.string().nullish(),
      tool_calls: z.array(toolCall()).nullish(),
      ...named(),
    }),
    z.looseObject({
      role: z.literal("tool"),
      tool_call_id: z.string(),
      content: z.union([z.string(), z.array(z.discriminatedUnion("type", [textPart(), imagePart()]))]).nullish(),
    }),
  ]),
);

const tool = later(() =>
  z.looseObject({
    type: z.literal("function"),
    function: z.looseObject({
      name: z.string(),
      description: z.string().nullish(),
      parameters: jsonObject.nullish(),
      strict: z.boolean().nullish(),
    }),
  }),
);

const toolChoice = later(() =>
  z.union([
    z.enum(["auto", "none", "required"]),
    z.looseObject({ type: z.literal("function"), function: z.looseObject({ name: z.string() }) }),
  ]),
);

const responseFormat = later(() =>
  z.discriminatedUnion("type", [
    z.looseObject({ type: z.literal("text") }),
    z.looseObject({ type: z.literal("json_object"), schema: jsonObject.nullish() }),
    z.looseObject({
      type: z.literal("json_schema"),
      json_schema: z.looseObject({
        name: z.string().nullish(),
        schema: jsonObject.nullish(),
        strict: z.boolean().nullish(),
      }),
    }),
  ]),
);

/** Body of `POST /v1/chat/completions`. */
export const openaiChatRequest = later(() =>
  z.looseObject({
    model: z.string().min(1),
    messages: z.array(message()).min(1, "at least one message is needed"),
    stream: z.boolean().nullish(),
    stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
    max_tokens: tokenLimit(),
    max_completion_tokens: tokenLimit(),
    stop: z.union([z.string(), z.array(z.string())]).nullish(),
    ...samplingFields(),
    tools: z.array(tool()).nullish(),
    tool_choice: toolChoice().nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    response_format: responseFormat().nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: tokenCount().nullish(),
    reasoning_effort: z.string().nullish(),
    reasoning: z.looseObject({ effort: z.string().nullish() }).nullish(),
    chat_template_kwargs: z.looseObject({ enable_thinking: z.boolean().nullish() }).nullish(),
    user: z.string().nullish(),
    safety_identifier: z.string().nullish(),
    prompt_cache_key: z.string().nullish(),
    n: z.number().int().nullish(),
    logit_bias: z.record(z.string(), z.number()).nullish(),
    modalities: z.array(z.string()).nullish(),
    functions: z.array(z.unknown()).nullish(),
    web_search_options: z.unknown().optional(),
  }),
);
export type OpenaiChatRequest = z.infer<ReturnType<typeof openaiChatRequest>>;
export type OpenaiMessage = OpenaiChatRequest["messages"][number];

/** `usage` of an answer, of an embeddings answer too. */
export const openaiUsage = later(() =>
  z.looseObject({
    prompt_tokens: tokenCount().nullish(),
    completion_tokens: tokenCount().nullish(),
    prompt_tokens_details: z.looseObject({ cached_tokens: tokenCount().nullish() }).nullish(),
    completion_tokens_details: z.looseObject({ reasoning_tokens: tokenCount().nullish() }).nullish(),
  }),
);
export type OpenaiUsage = z.infer<ReturnType<typeof openaiUsage>>;

const logprobs = later(() => z.looseObject({ content: tokenLogprobs().nullish() }));

/** Engines leave out what they do not know, and some give `arguments` as an object. */
const toolCallDelta = later(() =>
  z.looseObject({
    index: z.number().int().nullish(),
    id: z.string().nullish(),
    function: z
      .looseObject({ name: z.string().nullish(), arguments: z.union([z.string(), jsonObject]).nullish() })
      .nullish(),
  }),
);
export type OpenaiToolCallDelta = z.infer<ReturnType<typeof toolCallDelta>>;

/** A delta of a stream, or the message of a whole answer. Thinking has two names, by engine. */
const delta = later(() =>
  z.looseObject({
    content: z.string().nullish(),
    reasoning_content: z.string().nullish(),
    reasoning: z.string().nullish(),
    refusal: z.string().nullish(),
    tool_calls: z.array(toolCallDelta()).nullish(),
  }),
);
export type OpenaiDelta = z.infer<ReturnType<typeof delta>>;

const choice = later(() =>
  z.looseObject({
    index: z.number().int().nullish(),
    delta: delta().nullish(),
    message: delta().nullish(),
    finish_reason: z.string().nullish(),
    /** vLLM: the stop string that matched. */
    stop_reason: z.union([z.string(), z.number()]).nullish(),
    logprobs: logprobs().nullish(),
  }),
);
export type OpenaiChoice = z.infer<ReturnType<typeof choice>>;

/** A chunk of a stream, or a whole answer: the two differ in `delta` and `message` only. */
export const openaiChatAnswer = later(() =>
  z.looseObject({
    id: z.string().nullish(),
    model: z.string().nullish(),
    choices: z.array(choice()).nullish(),
    usage: openaiUsage().nullish(),
    error: z.unknown().optional(),
  }),
);
export type OpenaiChatAnswer = z.infer<ReturnType<typeof openaiChatAnswer>>;
