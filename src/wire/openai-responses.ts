import { z } from "zod";
import { later } from "./later.ts";
import type { JsonObject } from "../core/chat-request.ts";
import { isJsonObject } from "./parse-body.ts";
import { samplingFields, tokenCount, tokenLimit } from "./sampling-bounds.ts";

/** Values that came out of `JSON.parse`: looking into a tool's schema again would cost more than the rest together. */
const jsonObject = z.custom<JsonObject>(isJsonObject, "expected an object");

// `text` is what chat clients write that were pointed at this API by their base URL alone.
const textPart = later(() =>
  z.looseObject({ type: z.literal(["input_text", "output_text", "text"]), text: z.string() }),
);
const refusalPart = later(() => z.looseObject({ type: z.literal("refusal"), refusal: z.string() }));
const imagePart = later(() =>
  z.looseObject({
    type: z.literal("input_image"),
    image_url: z.string().nullish(),
    file_id: z.string().nullish(),
    detail: z.enum(["auto", "low", "high", "original"]).nullish(),
  }),
);
const filePart = later(() =>
  z.looseObject({
    type: z.literal("input_file"),
    file_data: z.string().nullish(),
    file_url: z.string().nullish(),
    file_id: z.string().nullish(),
    filename: z.string().nullish(),
  }),
);
const audioPart = later(() =>
  z.looseObject({
    type: z.literal("input_audio"),
    input_audio: z.looseObject({ data: z.string(), format: z.string() }),
  }),
);
const userPart = later(() => z.discriminatedUnion("type", [textPart(), imagePart(), filePart(), audioPart()]));
const resultPart = later(() => z.discriminatedUnion("type", [textPart(), imagePart(), filePart()]));
export type ResponsesInputPart = z.infer<ReturnType<typeof userPart>>;

/** The short form of a message has no `type`. */
const messageType = later(() => z.literal("message").nullish());
const systemMessage = later(() =>
  z.looseObject({
    type: messageType(),
    role: z.literal(["system", "developer"]),
    content: z.union([z.string(), z.array(textPart())]),
  }),
);
const userMessage = later(() =>
  z.looseObject({
    type: messageType(),
    role: z.literal("user"),
    content: z.union([z.string(), z.array(userPart())]),
  }),
);
const assistantMessage = later(() =>
  z.looseObject({
    type: messageType(),
    role: z.literal("assistant"),
    content: z.union([z.string(), z.array(z.discriminatedUnion("type", [textPart(), refusalPart()]))]).nullish(),
  }),
);

const functionCall = later(() =>
  z.looseObject({
    type: z.literal("function_call"),
    call_id: z.string(),
    name: z.string(),
    namespace: z.string().nullish(),
    arguments: z.union([z.string(), jsonObject]).nullish(),
  }),
);
const customToolCall = later(() =>
  z.looseObject({
    type: z.literal("custom_tool_call"),
    call_id: z.string(),
    name: z.string(),
    namespace: z.string().nullish(),
    input: z.string(),
  }),
);
const callOutput = later(() =>
  z.looseObject({
    type: z.literal(["function_call_output", "custom_tool_call_output"]),
    call_id: z.string(),
    output: z.union([z.string(), z.array(resultPart())]).nullish(),
  }),
);
export const reasoningText = later(() => z.looseObject({ text: z.string() }));
const reasoning = later(() =>
  z.looseObject({
    type: z.literal("reasoning"),
    summary: z.array(reasoningText()).nullish(),
    content: z.array(reasoningText()).nullish(),
    encrypted_content: z.string().nullish(),
  }),
);
const itemReference = later(() => z.looseObject({ type: z.literal("item_reference"), id: z.string() }));

/**
 * Records of what a vendor's own tools did. The answer that followed them stands in the history too, and no engine here
 * could read them: they are left out, and said to be.
 */
export const HOSTED_ITEMS = [
  "web_search_call",
  "file_search_call",
  "image_generation_call",
  "code_interpreter_call",
  "mcp_list_tools",
  "mcp_call",
  "mcp_approval_request",
  "mcp_approval_response",
] as const;
const hostedItem = later(() => z.looseObject({ type: z.literal(HOSTED_ITEMS) }));

const inputItem = later(() =>
  z.discriminatedUnion("type", [
    z.discriminatedUnion("role", [systemMessage(), userMessage(), assistantMessage()]),
    functionCall(),
    customToolCall(),
    callOutput(),
    reasoning(),
    itemReference(),
    hostedItem(),
  ]),
);
export type ResponsesItem = z.infer<ReturnType<typeof inputItem>>;

/** A tool of any type: what there is beside functions changes monthly, and must not break a client. */
const tool = later(() => z.looseObject({ type: z.string() }));
const functionTool = later(() =>
  z.looseObject({
    name: z.string().min(1),
    description: z.string().nullish(),
    parameters: jsonObject.nullish(),
    strict: z.boolean().nullish(),
  }),
);
/** The chat API's nesting is accepted too: some clients keep it when they change the path. */
export const responsesFunctionTool = later(() =>
  z.union([functionTool(), z.looseObject({ function: functionTool() })]),
);
export const responsesCustomTool = later(() =>
  z.looseObject({
    name: z.string().min(1),
    description: z.string().nullish(),
    format: z
      .looseObject({ type: z.string(), syntax: z.string().nullish(), definition: z.string().nullish() })
      .nullish(),
  }),
);
export const responsesNamespaceTool = later(() => z.looseObject({ name: z.string().min(1), tools: z.array(tool()) }));

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
    input: z.union([z.string(), z.array(inputItem()).min(1, "at least one item is needed")]),
    instructions: z.string().nullish(),
    stream: z.boolean().nullish(),
    max_output_tokens: tokenLimit(),
    ...samplingFields(),
    stop: z.union([z.string(), z.array(z.string())]).nullish(),
    tools: z.array(tool()).nullish(),
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
