import { z } from "zod";
import { later } from "./later.ts";
import type { JsonObject } from "../core/chat-request.ts";
import { isJsonObject } from "./parse-body.ts";
import { responsesTool } from "./openai-responses-tools.ts";

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

/** What one of a client's own agents says to another; the encrypted kind only the vendor can read. */
const agentMessage = later(() =>
  z.looseObject({
    type: z.literal("agent_message"),
    author: z.string().nullish(),
    content: z.array(z.looseObject({ type: z.string(), text: z.string().nullish() })),
  }),
);

/** Tools that came after the request's own: given in the middle of the conversation, or found by a search for them. */
const additionalTools = later(() =>
  z.looseObject({ type: z.literal("additional_tools"), tools: z.array(responsesTool()).nullish() }),
);
const toolSearchCall = later(() =>
  z.looseObject({
    type: z.literal("tool_search_call"),
    call_id: z.string().nullish(),
    arguments: z.union([jsonObject, z.string()]).nullish(),
  }),
);
const toolSearchOutput = later(() =>
  z.looseObject({
    type: z.literal("tool_search_output"),
    call_id: z.string().nullish(),
    tools: z.array(responsesTool()).nullish(),
  }),
);

/** Calls of tools that a vendor defines and the client runs: what is done is in a member of their own. */
const clientCall = later(() =>
  z.looseObject({
    type: z.literal(["local_shell_call", "shell_call", "apply_patch_call"]),
    call_id: z.string().nullish(),
    id: z.string().nullish(),
    action: jsonObject.nullish(),
    operation: jsonObject.nullish(),
  }),
);
const clientCallOutput = later(() =>
  z.looseObject({
    type: z.literal(["local_shell_call_output", "shell_call_output", "apply_patch_call_output"]),
    call_id: z.string().nullish(),
    id: z.string().nullish(),
    output: z.union([z.string(), z.array(jsonObject)]).nullish(),
  }),
);

/** Asks the server to sum the conversation up, in a form that only it can read. */
const compactionTrigger = later(() => z.looseObject({ type: z.literal("compaction_trigger") }));

/**
 * All others: records of what a vendor's own tools did, marks in its history, and kinds that came after this was
 * written. No engine here could read them, and clients begin to send new kinds every month: they are left out, and said
 * to be.
 */
const LEFT_OUT = "left_out";
const leftOut = later(() => z.looseObject({ type: z.literal(LEFT_OUT) }));

const READ = new Set([
  "message",
  "function_call",
  "custom_tool_call",
  "function_call_output",
  "custom_tool_call_output",
  "reasoning",
  "item_reference",
  "agent_message",
  "additional_tools",
  "compaction_trigger",
  "tool_search_call",
  "tool_search_output",
  "local_shell_call",
  "shell_call",
  "apply_patch_call",
  "local_shell_call_output",
  "shell_call_output",
  "apply_patch_call_output",
]);

/** The type of an item that is left out; null: it is read. */
export function leftOutType(item: unknown): string | null {
  if (!isJsonObject(item) || typeof item.type !== "string" || READ.has(item.type)) return null;
  // A message whose type is misspelt is a mistake, not a new kind.
  return typeof item.role === "string" && "content" in item ? null : item.type;
}

export const responsesItem = later(() =>
  z.preprocess(
    (item) => (leftOutType(item) === null ? item : { type: LEFT_OUT }),
    z.discriminatedUnion("type", [
      z.discriminatedUnion("role", [systemMessage(), userMessage(), assistantMessage()]),
      functionCall(),
      customToolCall(),
      callOutput(),
      reasoning(),
      itemReference(),
      agentMessage(),
      additionalTools(),
      compactionTrigger(),
      toolSearchCall(),
      toolSearchOutput(),
      clientCall(),
      clientCallOutput(),
      leftOut(),
    ]),
  ),
);
export type ResponsesItem = z.infer<ReturnType<typeof responsesItem>>;
