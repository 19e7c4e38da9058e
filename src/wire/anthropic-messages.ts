import { z } from "zod";
import { later } from "./later.ts";
import type { JsonObject } from "../core/chat-request.ts";
import { isJsonObject } from "./parse-body.ts";
import { temperature, tokenCount, tokenLimit, topK, topP } from "./sampling-bounds.ts";

const jsonObject = z.custom<JsonObject>(isJsonObject, "expected an object");

const textBlock = later(() => z.looseObject({ type: z.literal("text"), text: z.string() }));

const base64Source = later(() =>
  z.looseObject({ type: z.literal("base64"), media_type: z.string(), data: z.string() }),
);
const urlSource = later(() => z.looseObject({ type: z.literal("url"), url: z.string() }));
const imageBlock = later(() =>
  z.looseObject({
    type: z.literal("image"),
    source: z.discriminatedUnion("type", [base64Source(), urlSource()]),
  }),
);

const documentBlock = later(() =>
  z.looseObject({
    type: z.literal("document"),
    source: z.discriminatedUnion("type", [
      base64Source(),
      urlSource(),
      z.looseObject({ type: z.literal("text"), data: z.string() }),
      z.looseObject({ type: z.literal("content"), content: z.union([z.string(), z.array(textBlock())]) }),
    ]),
    title: z.string().nullish(),
  }),
);

const searchResultBlock = later(() =>
  z.looseObject({
    type: z.literal("search_result"),
    title: z.string(),
    source: z.string(),
    content: z.array(textBlock()),
  }),
);
/** What Claude Code's tool search gives back: the named tool is in `tools` from then on. */
const toolReferenceBlock = later(() => z.looseObject({ type: z.literal("tool_reference"), tool_name: z.string() }));

const toolResultBlock = later(() =>
  z.looseObject({
    type: z.literal("tool_result"),
    tool_use_id: z.string(),
    is_error: z.boolean().nullish(),
    content: z
      .union([
        z.string(),
        z.array(
          z.discriminatedUnion("type", [
            textBlock(),
            imageBlock(),
            documentBlock(),
            searchResultBlock(),
            toolReferenceBlock(),
          ]),
        ),
      ])
      .nullish(),
  }),
);

const thinkingBlock = later(() =>
  z.looseObject({
    type: z.literal("thinking"),
    thinking: z.string(),
    signature: z.string().nullish(),
  }),
);
const redactedThinkingBlock = later(() => z.looseObject({ type: z.literal("redacted_thinking"), data: z.string() }));
const toolUseBlock = later(() =>
  z.looseObject({
    type: z.literal("tool_use"),
    id: z.string(),
    name: z.string(),
    input: jsonObject,
  }),
);

/**
 * Records of what a vendor's own tools did, and its marks in the history. No engine here could read them, and the answer
 * that followed them stands in the history too: they are left out, and said to be.
 */
export const HOSTED_BLOCKS = [
  "server_tool_use",
  "web_search_tool_result",
  "web_fetch_tool_result",
  "code_execution_tool_result",
  "bash_code_execution_tool_result",
  "text_editor_code_execution_tool_result",
  "tool_search_tool_result",
  "advisor_tool_result",
  "mcp_tool_use",
  "mcp_tool_result",
  "mcp_tool_listing",
  "fallback",
] as const;
const hostedBlock = later(() => z.looseObject({ type: z.literal(HOSTED_BLOCKS) }));
/** The vendor's summary of what it cut off; without `content` only the vendor can read it. */
const compactionBlock = later(() => z.looseObject({ type: z.literal("compaction"), content: z.string().nullish() }));

/** From here on a tool may be called, or no more: one of `tools` by its name, or one that is defined here. */
const toolChangeBlock = later(() =>
  z.looseObject({
    type: z.literal(["tool_addition", "tool_removal"]),
    tool: z.looseObject({ type: z.string(), name: z.string().nullish(), definition: tool().nullish() }),
  }),
);
export type AnthropicToolChange = z.infer<ReturnType<typeof toolChangeBlock>>;

const message = later(() =>
  z.discriminatedUnion("role", [
    z.looseObject({
      role: z.literal("user"),
      content: z.union([
        z.string(),
        z.array(
          z.discriminatedUnion("type", [
            textBlock(),
            imageBlock(),
            documentBlock(),
            searchResultBlock(),
            toolResultBlock(),
            hostedBlock(),
          ]),
        ),
      ]),
    }),
    z.looseObject({
      role: z.literal("assistant"),
      content: z.union([
        z.string(),
        z.array(
          z.discriminatedUnion("type", [
            textBlock(),
            thinkingBlock(),
            redactedThinkingBlock(),
            toolUseBlock(),
            compactionBlock(),
            hostedBlock(),
          ]),
        ),
      ]),
    }),
    // Claude Code sends these in the middle of a conversation, for any model; some only change the effort.
    z.looseObject({
      role: z.literal("system"),
      content: z.union([z.string(), z.array(z.discriminatedUnion("type", [textBlock(), toolChangeBlock()]))]).nullish(),
      /** `next_user_message`: said once, and not shown any more when the user has spoken again. */
      clear_at: z.string().nullish(),
    }),
  ]),
);
export type AnthropicMessage = z.infer<ReturnType<typeof message>>;

/** Server tools (`web_search_…`) have a type of their own and no schema; toolsets have no name either. */
const tool = later(() =>
  z
    .looseObject({
      type: z.string().nullish(),
      name: z.string().nullish(),
      description: z.string().nullish(),
      input_schema: jsonObject.nullish(),
      strict: z.boolean().nullish(),
    })
    .refine(({ type, name }) => typeof name === "string" || isHosted(type), { path: ["name"], error: "is needed" }),
);

/** A tool of this type runs at the vendor. */
export function isHosted(type: unknown): boolean {
  return typeof type === "string" && type !== "" && type !== "custom";
}
export type AnthropicTool = z.infer<ReturnType<typeof tool>>;

const parallel = later(() => ({ disable_parallel_tool_use: z.boolean().nullish() }));
const toolChoice = later(() =>
  z.discriminatedUnion("type", [
    z.looseObject({ type: z.literal(["auto", "any"]), ...parallel() }),
    z.looseObject({ type: z.literal("none") }),
    z.looseObject({ type: z.literal("tool"), name: z.string(), ...parallel() }),
  ]),
);

const thinking = later(() =>
  z.discriminatedUnion("type", [
    z.looseObject({ type: z.literal("disabled") }),
    z.looseObject({ type: z.literal("enabled"), budget_tokens: tokenCount().nullish(), display: z.string().nullish() }),
    z.looseObject({ type: z.literal(["adaptive", "between_tools"]), display: z.string().nullish() }),
  ]),
);

const format = later(() => z.looseObject({ type: z.literal("json_schema"), schema: jsonObject }));

/** Body of `POST /v1/messages`. `max_tokens` may be missing: local engines stop by themselves. */
export const anthropicMessagesRequest = later(() =>
  z.looseObject({
    model: z.string().min(1),
    messages: z.array(message()).min(1, "at least one message is needed"),
    system: z.union([z.string(), z.array(textBlock())]).nullish(),
    max_tokens: tokenLimit(),
    stream: z.boolean().nullish(),
    stop_sequences: z.array(z.string()).nullish(),
    temperature: temperature(),
    top_p: topP(),
    top_k: topK(),
    tools: z.array(tool()).nullish(),
    tool_choice: toolChoice().nullish(),
    thinking: thinking().nullish(),
    output_config: z.looseObject({ format: format().nullish(), effort: z.string().nullish() }).nullish(),
    output_format: format().nullish(),
    metadata: z.looseObject({ user_id: z.string().nullish() }).nullish(),
    thread: z.unknown().optional(),
  }),
);
export type AnthropicMessagesRequest = z.infer<ReturnType<typeof anthropicMessagesRequest>>;

const anthropicUsage = later(() =>
  z.looseObject({
    input_tokens: tokenCount().nullish(),
    output_tokens: tokenCount().nullish(),
    cache_read_input_tokens: tokenCount().nullish(),
    cache_creation_input_tokens: tokenCount().nullish(),
  }),
);
export type AnthropicUsage = z.infer<ReturnType<typeof anthropicUsage>>;

const answerBlock = later(() =>
  z.looseObject({
    type: z.string(),
    text: z.string().nullish(),
    thinking: z.string().nullish(),
    signature: z.string().nullish(),
    id: z.string().nullish(),
    name: z.string().nullish(),
    input: jsonObject.nullish(),
  }),
);
export type AnthropicAnswerBlock = z.infer<ReturnType<typeof answerBlock>>;

const ended = later(() => ({
  stop_reason: z.string().nullish(),
  stop_sequence: z.string().nullish(),
}));

/** A whole answer. */
export const anthropicAnswer = later(() =>
  z.looseObject({
    id: z.string().nullish(),
    model: z.string().nullish(),
    content: z.array(answerBlock()),
    usage: anthropicUsage().nullish(),
    ...ended(),
  }),
);

/** The events of a stream that mean something to us; others are skipped, as Anthropic asks of its clients. */
export const anthropicStreamEvent = later(() =>
  z.discriminatedUnion("type", [
    z.looseObject({
      type: z.literal("message_start"),
      message: z.looseObject({
        id: z.string().nullish(),
        model: z.string().nullish(),
        usage: anthropicUsage().nullish(),
      }),
    }),
    z.looseObject({ type: z.literal("content_block_start"), index: tokenCount(), content_block: answerBlock() }),
    z.looseObject({
      type: z.literal("content_block_delta"),
      index: tokenCount(),
      delta: z.looseObject({
        type: z.string(),
        text: z.string().nullish(),
        thinking: z.string().nullish(),
        signature: z.string().nullish(),
        partial_json: z.string().nullish(),
      }),
    }),
    z.looseObject({
      type: z.literal("message_delta"),
      delta: z.looseObject(ended()),
      usage: anthropicUsage().nullish(),
    }),
    z.looseObject({ type: z.literal("message_stop") }),
    z.looseObject({ type: z.literal("error"), error: z.unknown().optional() }),
  ]),
);
export type AnthropicStreamEvent = z.infer<ReturnType<typeof anthropicStreamEvent>>;
