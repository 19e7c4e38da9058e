import { z } from "zod";
import { later } from "./later.ts";
import type { JsonObject } from "../core/chat-request.ts";
import { isJsonObject } from "./parse-body.ts";
import { responsesItem } from "./openai-responses-items.ts";
import { responsesTool } from "./openai-responses-tools.ts";
import { samplingFields, tokenCount, tokenLimit } from "./sampling-bounds.ts";

/** Values that came out of `JSON.parse`: looking into a tool's schema again would cost more than the rest together. */
const jsonObject = z.custom<JsonObject>(isJsonObject, "expected an object");

const toolChoice = later(() =>
  z.union([
    z.enum(["auto", "none", "required"]),
    z.looseObject({
      type: z.literal("allowed_tools"),
      mode: z.enum(["auto", "required"]),
      tools: z.array(z.looseObject({ type: z.string(), name: z.string().nullish() })),
    }),
    z.looseObject({ type: z.string(), name: z.string().nullish() }),
  ]),
);

const textFormat = later(() =>
  z.discriminatedUnion("type", [
    z.looseObject({ type: z.literal("text") }),
    z.looseObject({ type: z.literal("json_object") }),
    z.looseObject({
      type: z.literal("json_schema"),
      name: z.string().nullish(),
      schema: jsonObject.nullish(),
      strict: z.boolean().nullish(),
    }),
  ]),
);

/** Body of `POST /v1/responses`. The sampling fields beyond `top_p` are those that engines of this dialect added. */
export const openaiResponsesRequest = later(() =>
  z.looseObject({
    model: z.string().min(1),
    input: z.union([z.string(), z.array(responsesItem()).min(1, "at least one item is needed")]),
    instructions: z.string().nullish(),
    stream: z.boolean().nullish(),
    max_output_tokens: tokenLimit(),
    ...samplingFields(),
    stop: z.union([z.string(), z.array(z.string())]).nullish(),
    tools: z.array(responsesTool()).nullish(),
    tool_choice: toolChoice().nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    text: z.looseObject({ format: textFormat().nullish(), verbosity: z.string().nullish() }).nullish(),
    reasoning: z.looseObject({ effort: z.string().nullish(), summary: z.string().nullish() }).nullish(),
    include: z.array(z.string()).nullish(),
    top_logprobs: tokenCount().nullish(),
    truncation: z.enum(["auto", "disabled"]).nullish(),
    user: z.string().nullish(),
    safety_identifier: z.string().nullish(),
    prompt_cache_key: z.string().nullish(),
    store: z.boolean().nullish(),
    previous_response_id: z.string().nullish(),
    background: z.boolean().nullish(),
    conversation: z.unknown().optional(),
    prompt: z.unknown().optional(),
  }),
);
export type OpenaiResponsesRequest = z.infer<ReturnType<typeof openaiResponsesRequest>>;
