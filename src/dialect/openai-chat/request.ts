import type { ChatRequest, JsonObject, OutputFormat, Thinking, Tool, ToolChoice } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { openaiChatRequest, type OpenaiChatRequest } from "../../wire/openai-chat.ts";
import { parseBody } from "../../wire/parse-body.ts";
import { parseMessages, toMessages } from "./messages.ts";
import { fromSampling, toSampling } from "../openai-sampling.ts";
import { ignoredMembers } from "../ignored-fields.ts";
import { optional } from "../optional.ts";

export function parseRequest(body: unknown): Result<ChatRequest, Failure> {
  const parsed = parseBody(openaiChatRequest(), body);
  if (!parsed.ok) return parsed;
  const wire = parsed.value;
  const refused = refusal(wire);
  if (refused) return err(refused);
  const messages = parseMessages(wire.messages);
  if (!messages.ok) return messages;
  const maxOutputTokens = wire.max_completion_tokens ?? wire.max_tokens;
  const thinking = parseThinking(wire);
  const user = wire.user ?? wire.safety_identifier;
  return ok({
    model: wire.model,
    messages: messages.value,
    stream: wire.stream ?? false,
    includeUsage: wire.stream === true && wire.stream_options?.include_usage === true,
    ...optional("maxOutputTokens", maxOutputTokens),
    stop: typeof wire.stop === "string" ? [wire.stop] : (wire.stop ?? []),
    sampling: fromSampling(wire),
    tools: (wire.tools ?? []).map(parseTool),
    ...optional("toolChoice", wire.tool_choice && parseToolChoice(wire.tool_choice)),
    ...optional("parallelToolCalls", wire.parallel_tool_calls),
    output: parseOutput(wire.response_format),
    ...(wire.logprobs ? { logprobs: { top: wire.top_logprobs ?? 0 } } : {}),
    ...optional("thinking", thinking),
    ...optional("user", user),
    ...optional("cacheKey", wire.prompt_cache_key),
  });
}

const HARMLESS = ["store", "metadata", "service_tier", "prompt_cache_retention", "prompt_cache_options"];

/** Fields of other servers of this API (`repeat_penalty`, …): they reach an engine of this dialect, and no other. */
export function ignored(body: unknown): readonly string[] {
  return ignoredMembers(body, Object.keys(openaiChatRequest().shape), HARMLESS);
}

export function toRequestBody(request: ChatRequest): JsonObject {
  return {
    model: request.model,
    messages: toMessages(request.messages),
    stream: request.stream,
    // Always asked for: accounting needs it whether the client wants to see it or not.
    ...(request.stream ? { stream_options: { include_usage: true } } : {}),
    ...optional("max_tokens", request.maxOutputTokens),
    ...(request.stop.length > 0 ? { stop: [...request.stop] } : {}),
    ...toSampling(request.sampling),
    ...(request.tools.length > 0 ? { tools: request.tools.map(toTool) } : {}),
    ...(request.toolChoice ? { tool_choice: toToolChoice(request.toolChoice) } : {}),
    ...optional("parallel_tool_calls", request.parallelToolCalls),
    ...toOutput(request.output),
    ...(request.logprobs ? { logprobs: true, top_logprobs: request.logprobs.top } : {}),
    ...optional("reasoning_effort", request.thinking && toEffort(request.thinking)),
    ...optional("user", request.user),
    ...optional("prompt_cache_key", request.cacheKey),
  };
}

/** What would change the answer and cannot be said in the core vocabulary. */
function refusal(wire: OpenaiChatRequest): Failure | null {
  if ((wire.n ?? 1) > 1) return unsupported("n", "n above 1: ask several times instead");
  if (Object.keys(wire.logit_bias ?? {}).length > 0) return unsupported("logit_bias", "logit_bias");
  if (wire.modalities?.some((one) => one !== "text")) return unsupported("modalities", "output other than text");
  if (wire.functions) return unsupported("functions", "functions: send them as tools");
  if (wire.web_search_options) return unsupported("web_search_options", "web search");
  if (typeof wire.top_logprobs === "number" && !wire.logprobs) {
    return { kind: "invalid_request", field: "top_logprobs", message: "top_logprobs needs logprobs: true" };
  }
  return null;
}

function unsupported(capability: string, what: string): Failure {
  return { kind: "unsupported", capability, endpoint: false, message: `This model does not support ${what}.` };
}

function parseTool(wire: NonNullable<OpenaiChatRequest["tools"]>[number]): Tool {
  const { name, description, parameters, strict } = wire.function;
  return {
    name,
    ...optional("description", description),
    parameters: parameters ?? { type: "object", properties: {} },
    ...optional("strict", strict),
  };
}

function toTool(tool: Tool): JsonObject {
  const { name, parameters } = tool;
  const definition = {
    name,
    ...optional("description", tool.description),
    parameters,
    ...optional("strict", tool.strict),
  };
  return { type: "function", function: definition };
}

function parseToolChoice(wire: NonNullable<OpenaiChatRequest["tool_choice"]>): ToolChoice {
  return typeof wire === "string" ? { kind: wire } : { kind: "tool", name: wire.function.name };
}

function toToolChoice(choice: ToolChoice): JsonObject | string {
  return choice.kind === "tool" ? { type: "function", function: { name: choice.name } } : choice.kind;
}

function parseOutput(wire: OpenaiChatRequest["response_format"]): OutputFormat {
  if (!wire || wire.type === "text") return { kind: "text" };
  if (wire.type === "json_object") {
    // llama.cpp's form of a schema; without it any JSON will do.
    return wire.schema ? { kind: "json_schema", name: "response", schema: wire.schema } : { kind: "json" };
  }
  const { name, schema, strict } = wire.json_schema;
  return { kind: "json_schema", name: name ?? "response", schema: schema ?? {}, ...optional("strict", strict) };
}

function toOutput(output: OutputFormat): JsonObject {
  if (output.kind === "text") return {};
  if (output.kind === "json") return { response_format: { type: "json_object" } };
  const { name, schema } = output;
  const json_schema = { name, schema, ...optional("strict", output.strict) };
  return { response_format: { type: "json_schema", json_schema } };
}

function parseThinking(wire: OpenaiChatRequest): Thinking | undefined {
  const effort = wire.reasoning_effort ?? wire.reasoning?.effort;
  const enabled = wire.chat_template_kwargs?.enable_thinking;
  if (typeof effort === "string") return effort === "none" ? { enabled: false } : { enabled: enabled ?? true, effort };
  return typeof enabled === "boolean" ? { enabled } : undefined;
}

/** Anthropic clients know `max`, which engines of this dialect refuse; a budget has no word here. */
function toEffort(thinking: Thinking): string | undefined {
  if (!thinking.enabled) return "none";
  return thinking.effort === "max" ? "xhigh" : thinking.effort;
}
