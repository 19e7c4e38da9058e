import type { ChatRequest, JsonObject, OutputFormat, Thinking, ToolChoice } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { openaiResponsesRequest, type OpenaiResponsesRequest } from "../../wire/openai-responses.ts";
import { isJsonObject, parseBody } from "../../wire/parse-body.ts";
import { broughtTools } from "./brought-tools.ts";
import { parseMessages, toItems } from "./messages.ts";
import { LOGPROBS } from "./request-fields.ts";
import { parseTools, toTool } from "./tool-choice.ts";
import { fromSampling, toSampling } from "../openai-sampling.ts";
import { optional } from "../optional.ts";

/**
 * `previous_response_id` and `item_reference` are the caller's: it puts the kept history in first (`withHistory`). One
 * that is still here is one that nobody knows, and is refused.
 */
export function parseRequest(body: unknown): Result<ChatRequest, Failure> {
  const parsed = parseBody(openaiResponsesRequest(), body);
  if (!parsed.ok) return parsed;
  const wire = parsed.value;
  const refused = refusal(wire);
  if (refused) return err(refused);
  const messages = parseMessages(wire);
  if (!messages.ok) return messages;
  const tools = parseTools(
    wire.tools ?? [],
    wire.tool_choice,
    broughtTools(isJsonObject(body) ? body.input : undefined),
  );
  if (!tools.ok) return tools;
  const stream = wire.stream ?? false;
  return ok({
    model: wire.model,
    messages: messages.value,
    stream,
    includeUsage: stream,
    ...optional("maxOutputTokens", wire.max_output_tokens),
    stop: typeof wire.stop === "string" ? [wire.stop] : (wire.stop ?? []),
    sampling: fromSampling(wire),
    tools: tools.value.tools,
    ...optional<"toolChoice", ToolChoice>("toolChoice", tools.value.toolChoice),
    ...optional("parallelToolCalls", wire.parallel_tool_calls),
    output: parseOutput(wire.text?.format),
    ...(wire.include?.includes(LOGPROBS) ? { logprobs: { top: wire.top_logprobs ?? 0 } } : {}),
    ...optional("thinking", parseThinking(wire.reasoning)),
    ...optional("user", wire.user ?? wire.safety_identifier),
    ...optional("cacheKey", wire.prompt_cache_key),
  });
}

export function toRequestBody(request: ChatRequest): JsonObject {
  const { thinking } = request;
  const include = [
    ...(request.logprobs ? [LOGPROBS] : []),
    // Without it thinking could not be carried into the next turn, since nothing is stored there.
    ...(thinking?.enabled ? ["reasoning.encrypted_content"] : []),
  ];
  return {
    model: request.model,
    input: toItems(request.messages),
    stream: request.stream,
    // What a client says is kept here or nowhere.
    store: false,
    ...optional("max_output_tokens", request.maxOutputTokens),
    ...(request.stop.length > 0 ? { stop: [...request.stop] } : {}),
    ...toSampling(request.sampling),
    ...(request.tools.length > 0 ? { tools: request.tools.map(toTool) } : {}),
    ...(request.toolChoice ? { tool_choice: toToolChoice(request.toolChoice) } : {}),
    ...optional("parallel_tool_calls", request.parallelToolCalls),
    ...toOutput(request.output),
    ...(include.length > 0 ? { include } : {}),
    ...(request.logprobs ? { top_logprobs: request.logprobs.top } : {}),
    ...(thinking ? toReasoning(thinking) : {}),
    ...optional("user", request.user),
    ...optional("prompt_cache_key", request.cacheKey),
  };
}

/**
 * The fields of a request that OpenAI's own Responses API has no word for, by their core names. Engines that speak this
 * dialect take them; the vendor refuses them.
 */
export function untranslatable(request: ChatRequest): string[] {
  const fields: string[] = request.stop.length > 0 ? ["stop"] : [];
  for (const name of ["topK", "minP", "seed", "presencePenalty", "frequencyPenalty"] as const) {
    if (request.sampling[name] !== undefined) fields.push(name);
  }
  return fields;
}

/** What would change the answer and cannot be said in the core vocabulary. */
function refusal(wire: OpenaiResponsesRequest): Failure | null {
  if (wire.background)
    return unsupported("background", "background responses are not run here: send background: false");
  if (isGiven(wire.conversation)) {
    return unsupported("conversation", "conversations are not kept here: use previous_response_id, or send all items");
  }
  if (isGiven(wire.prompt))
    return unsupported("prompt", "stored prompts are not kept here: send input and instructions");
  const previous = wire.previous_response_id;
  if (!previous) return null;
  return {
    kind: "invalid_request",
    field: "previous_response_id",
    message: `previous_response_id: no response "${previous}" is kept here for this key. Responses are kept for a limited time and only with store: true; send the whole conversation as input.`,
  };
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function unsupported(field: string, message: string): Failure {
  return { kind: "unsupported", capability: field, endpoint: false, message: `${field}: ${message}` };
}

function toToolChoice(choice: ToolChoice): JsonObject | string {
  return choice.kind === "tool" ? { type: "function", name: choice.name } : choice.kind;
}

function parseOutput(wire: NonNullable<OpenaiResponsesRequest["text"]>["format"]): OutputFormat {
  if (!wire || wire.type === "text") return { kind: "text" };
  if (wire.type === "json_object") return { kind: "json" };
  const { name, schema, strict } = wire;
  return { kind: "json_schema", name: name ?? "response", schema: schema ?? {}, ...optional("strict", strict) };
}

function toOutput(output: OutputFormat): JsonObject {
  if (output.kind === "text") return {};
  if (output.kind === "json") return { text: { format: { type: "json_object" } } };
  const { name, schema } = output;
  return { text: { format: { type: "json_schema", name, schema, ...optional("strict", output.strict) } } };
}

function parseThinking(wire: OpenaiResponsesRequest["reasoning"]): Thinking | undefined {
  if (typeof wire?.effort !== "string") return undefined;
  if (wire.effort === "none") return { enabled: false };
  return { enabled: true, effort: wire.effort, ...(wire.summary ? { display: "shown" as const } : {}) };
}

/** Anthropic clients know `max`, which engines of this dialect refuse; a budget has no word here. */
function toReasoning(thinking: Thinking): JsonObject {
  if (!thinking.enabled) return { reasoning: { effort: "none" } };
  const effort = thinking.effort === "max" ? "xhigh" : thinking.effort;
  const summary = thinking.display === "shown" ? { summary: "auto" } : {};
  const reasoning = { ...optional("effort", effort), ...summary };
  return Object.keys(reasoning).length > 0 ? { reasoning } : {};
}
