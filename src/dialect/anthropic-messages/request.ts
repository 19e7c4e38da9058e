import type { ChatRequest, JsonObject, JsonValue, OutputFormat, Thinking, Tool } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import {
  anthropicMessagesRequest,
  type AnthropicMessagesRequest,
  type AnthropicTool,
  HOSTED_BLOCKS,
  isHosted,
} from "../../wire/anthropic-messages.ts";
import { isJsonObject, parseBody } from "../../wire/parse-body.ts";
import { ignoredMembers, named } from "../ignored-fields.ts";
import { THREADS_CAPABILITY } from "../failure-shape.ts";
import { parseMessages, parseSystem, toMessages, toSystem } from "./messages.ts";
import { toolsAtEnd } from "./tool-changes.ts";

/** Anthropic requires `max_tokens`; for requests of clients that need not say it. */
const DEFAULT_MAX_TOKENS = 8192;

export function parseRequest(body: unknown): Result<ChatRequest, Failure> {
  const parsed = parseBody(anthropicMessagesRequest(), body);
  if (!parsed.ok) return parsed;
  const wire = parsed.value;
  // A continued thread sends the newest message only: answering it without the history would be wrong in silence.
  if (wire.thread !== undefined && wire.thread !== null) return err(NO_THREADS);
  const stream = wire.stream ?? false;
  const tools = toolsAtEnd(wire.tools ?? [], wire.messages).flatMap(parseTool);
  const choice = wire.tool_choice;
  const impossible = impossibleChoice(wire, tools);
  if (impossible) return err(impossible);
  const alone = choice && choice.type !== "none" ? choice.disable_parallel_tool_use : undefined;
  const thinking = parseThinking(wire);
  return ok({
    model: wire.model,
    messages: [...parseSystem(wire.system), ...parseMessages(wire.messages)],
    stream,
    includeUsage: stream,
    ...(typeof wire.max_tokens === "number" ? { maxOutputTokens: wire.max_tokens } : {}),
    stop: wire.stop_sequences ?? [],
    sampling: {
      ...(typeof wire.temperature === "number" ? { temperature: wire.temperature } : {}),
      ...(typeof wire.top_p === "number" ? { topP: wire.top_p } : {}),
      ...(typeof wire.top_k === "number" ? { topK: wire.top_k } : {}),
    },
    tools,
    ...(choice ? { toolChoice: parseToolChoice(choice) } : {}),
    ...(typeof alone === "boolean" ? { parallelToolCalls: !alone } : {}),
    output: parseOutput(wire),
    ...(thinking ? { thinking } : {}),
    ...(wire.metadata?.user_id ? { user: wire.metadata.user_id } : {}),
  });
}

const HARMLESS = ["cache_control", "service_tier", "betas", "inference_geo", "user_profile_id", "diagnostics"];

/** What only the vendor does, its server tools among it. */
export function ignored(body: unknown): readonly string[] {
  const fields = ignoredMembers(body, Object.keys(anthropicMessagesRequest().shape), HARMLESS);
  const { tools, messages, thinking } = isJsonObject(body) ? body : {};
  const blocks = objects(messages).flatMap(({ content }) => objects(content));
  const added = blocks.flatMap(({ type, tool }) =>
    type === "tool_addition" && isJsonObject(tool) && isJsonObject(tool.definition) ? [tool.definition] : [],
  );
  const hosted = [...objects(tools), ...added].map(typeOf).filter(isHosted);
  const unread = blocks.filter(isUnread).map(typeOf);
  const names = [...hosted.map((type) => `tools.${type}`), ...unread.map((type) => `messages.${type}`)];
  if (isJsonObject(thinking) && thinking.type === "between_tools") names.push("thinking.between_tools");
  return [...fields, ...new Set(names.map((name) => `ignored ${named(name)}`))];
}

function isUnread(block: JsonObject): boolean {
  const type = typeOf(block);
  return HOSTED_BLOCKS.some((one) => one === type) || (type === "compaction" && typeof block.content !== "string");
}

function typeOf({ type }: JsonObject): string {
  return typeof type === "string" ? type : "";
}

function objects(list: JsonValue | undefined): JsonObject[] {
  return Array.isArray(list) ? list.filter(isJsonObject) : [];
}

const NO_THREADS: Failure = {
  kind: "unsupported",
  capability: THREADS_CAPABILITY,
  endpoint: false,
  message: "Message threads are not kept here: send the whole history without `thread`.",
};

export function toRequestBody(request: ChatRequest): JsonObject {
  const { sampling } = request;
  const outputConfig = toOutputConfig(request);
  return {
    model: request.model,
    max_tokens: request.maxOutputTokens ?? DEFAULT_MAX_TOKENS,
    ...toSystem(request.messages),
    messages: toMessages(request.messages),
    stream: request.stream,
    ...(request.stop.length > 0 ? { stop_sequences: [...request.stop] } : {}),
    ...(sampling.temperature === undefined ? {} : { temperature: sampling.temperature }),
    ...(sampling.topP === undefined ? {} : { top_p: sampling.topP }),
    ...(sampling.topK === undefined ? {} : { top_k: sampling.topK }),
    ...(request.tools.length > 0 ? { tools: request.tools.map(toTool) } : {}),
    ...toToolChoice(request),
    ...(request.thinking ? { thinking: toThinking(request.thinking) } : {}),
    ...(Object.keys(outputConfig).length > 0 ? { output_config: outputConfig } : {}),
    ...(request.user === undefined ? {} : { metadata: { user_id: request.user } }),
  };
}

/** The fields of a request that `toRequestBody` cannot say, by their core names: to refuse or to report, not to hide. */
export function untranslatable(request: ChatRequest): string[] {
  const fields: string[] = [];
  for (const name of ["minP", "seed", "presencePenalty", "frequencyPenalty"] as const) {
    if (request.sampling[name] !== undefined) fields.push(name);
  }
  if (request.logprobs) fields.push("logprobs");
  if (request.messages.some((message) => message.parts.some((part) => part.type === "audio"))) fields.push("audio");
  return fields;
}

/** Server tools run at the vendor and the placeholder of deferred tools stands for none: neither can be called here. */
function parseTool(wire: AnthropicTool): Tool[] {
  const { name } = wire;
  if (isHosted(wire.type) || typeof name !== "string" || name === "DeferredToolPlaceholder") return [];
  return [
    {
      name,
      ...(typeof wire.description === "string" ? { description: wire.description } : {}),
      parameters: wire.input_schema ?? { type: "object", properties: {} },
      ...(typeof wire.strict === "boolean" ? { strict: wire.strict } : {}),
    },
  ];
}

function toTool(tool: Tool): JsonObject {
  return {
    name: tool.name,
    ...(tool.description === undefined ? {} : { description: tool.description }),
    input_schema: tool.parameters,
    ...(tool.strict === undefined ? {} : { strict: tool.strict }),
  };
}

function parseToolChoice(
  choice: NonNullable<AnthropicMessagesRequest["tool_choice"]>,
): NonNullable<ChatRequest["toolChoice"]> {
  switch (choice.type) {
    case "any":
      return { kind: "required" };
    case "tool":
      return { kind: "tool", name: choice.name };
    default:
      return { kind: choice.type };
  }
}

function toToolChoice({ toolChoice, parallelToolCalls, tools }: ChatRequest): JsonObject {
  const alone = parallelToolCalls === undefined ? {} : { disable_parallel_tool_use: !parallelToolCalls };
  switch (toolChoice?.kind) {
    case undefined:
      // It has no place of its own.
      return parallelToolCalls === undefined || tools.length === 0 ? {} : { tool_choice: { type: "auto", ...alone } };
    case "auto":
      return { tool_choice: { type: "auto", ...alone } };
    case "none":
      return { tool_choice: { type: "none" } };
    case "required":
      return { tool_choice: { type: "any", ...alone } };
    case "tool":
      return { tool_choice: { type: "tool", name: toolChoice.name, ...alone } };
  }
}

/** Claude Code's web search forces the vendor's tool: left out in silence, a model would make its results up. */
function impossibleChoice(wire: AnthropicMessagesRequest, callable: readonly Tool[]): Failure | null {
  const { tool_choice: choice, tools } = wire;
  const hosted = (tools ?? []).filter(({ type }) => isHosted(type));
  const wanted = choice?.type === "tool" ? hosted.find(({ name }) => name === choice.name) : hosted[0];
  if (!wanted || (choice?.type === "any" ? callable.length > 0 : choice?.type !== "tool")) return null;
  const name = JSON.stringify((wanted.name ?? wanted.type ?? "").slice(0, 64));
  const message = `tool_choice: ${name} cannot be called here: it runs at the vendor. Tools with an input_schema can.`;
  return { kind: "unsupported", capability: "tool_choice", endpoint: false, message };
}

function parseThinking(wire: AnthropicMessagesRequest): Thinking | null {
  const { thinking } = wire;
  if (!thinking) return null;
  if (thinking.type === "disabled") return { enabled: false };
  const budget = thinking.type === "enabled" ? thinking.budget_tokens : null;
  return {
    enabled: true,
    ...(typeof budget === "number" ? { budgetTokens: budget } : {}),
    ...(wire.output_config?.effort ? { effort: wire.output_config.effort } : {}),
    ...(typeof thinking.display === "string"
      ? { display: thinking.display === "omitted" ? ("omitted" as const) : ("shown" as const) }
      : {}),
  };
}

function toThinking(thinking: Thinking): JsonObject {
  if (!thinking.enabled) return { type: "disabled" };
  const display = thinking.display === "omitted" ? { display: "omitted" } : {};
  if (thinking.budgetTokens === undefined) return { type: "adaptive", ...display };
  return { type: "enabled", budget_tokens: thinking.budgetTokens, ...display };
}

function parseOutput(wire: AnthropicMessagesRequest): OutputFormat {
  const format = wire.output_config?.format ?? wire.output_format;
  return format ? { kind: "json_schema", name: "output", schema: format.schema, strict: true } : { kind: "text" };
}

/** Any JSON object is the schema that asks for nothing else. */
function toOutputConfig({ output, thinking }: ChatRequest): { [key: string]: JsonValue } {
  const effort = thinking?.effort === undefined ? {} : { effort: thinking.effort };
  if (output.kind === "text") return effort;
  const schema = output.kind === "json" ? { type: "object" } : output.schema;
  return { format: { type: "json_schema", schema }, ...effort };
}
