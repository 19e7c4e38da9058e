import type { ChatRequest, JsonObject, JsonValue, OutputFormat, Thinking, Tool } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import {
  ollamaChatRequest,
  type OllamaChatRequest,
  type OllamaGenerateRequest,
  type OllamaTool,
} from "../../wire/ollama.ts";
import { isJsonObject, parseBody } from "../../wire/parse-body.ts";
import { parseMessages, toMessages } from "./messages.ts";
import { ignoredOptions, parseOptions, toOptions } from "./options.ts";

export function parseRequest(body: unknown): Result<ChatRequest, Failure> {
  const parsed = parseBody(ollamaChatRequest(), body);
  if (!parsed.ok) return parsed;
  const wire = parsed.value;
  const refused = refusal(wire);
  if (refused) return err(refused);
  const messages = parseMessages(wire.messages);
  if (!messages.ok) return messages;
  return ok({ ...parseCommon(wire), messages: messages.value, tools: (wire.tools ?? []).map(parseTool) });
}

/** All of a request but what it says to the model; of `/api/generate` too. */
export function parseCommon(
  wire: OllamaChatRequest | OllamaGenerateRequest,
): Omit<ChatRequest, "messages"> & { readonly tools: readonly [] } {
  const stream = wire.stream ?? true;
  return {
    model: wire.model,
    stream,
    // The last line always has the counts.
    includeUsage: stream,
    ...parseOptions(wire.options),
    tools: [],
    output: parseOutput(wire.format),
    ...(wire.logprobs ? { logprobs: { top: wire.top_logprobs ?? 0 } } : {}),
    ...(wire.think === null || wire.think === undefined ? {} : { thinking: parseThinking(wire.think) }),
  };
}

/** What would change the answer and cannot be said in the core vocabulary. */
export function refusal(wire: OllamaChatRequest | OllamaGenerateRequest): Failure | null {
  return wire._debug_render_only ? unsupported("_debug_render_only", "_debug_render_only") : null;
}

export function unsupported(capability: string, what: string): Failure {
  return { kind: "unsupported", capability, endpoint: false, message: `This model does not support ${what}.` };
}

/**
 * Fields of a valid `/api/chat` or `/api/generate` body that are not followed, for `x-flock-adjusted`: load settings
 * belong to the engine, and a prompt that does not fit is refused here, never cut.
 */
export function ignoredFields(body: JsonObject): string[] {
  const { options, context, keep_alive, truncate, shift } = body;
  const fields = isJsonObject(options) ? ignoredOptions(options) : [];
  if (Array.isArray(context) && context.length > 0) fields.push("context");
  if (keep_alive !== null && keep_alive !== undefined) fields.push("keep_alive");
  if (truncate === true) fields.push("truncate");
  if (shift === true) fields.push("shift");
  return fields;
}

/**
 * The native call: options are native ones, and a prompt that does not fit is an error instead of a silent cut. What
 * `untranslatable` names must have been refused before; `planRequest` does so.
 */
export function toRequestBody(request: ChatRequest): JsonObject {
  const options = toOptions(request);
  const tools = offeredTools(request);
  return {
    model: request.model,
    messages: toMessages(request.messages),
    stream: request.stream,
    ...(tools.length > 0 ? { tools: tools.map(toTool) } : {}),
    ...toFormat(request.output),
    ...(request.thinking ? { think: toThink(request.thinking) } : {}),
    ...(Object.keys(options).length > 0 ? { options } : {}),
    ...(request.logprobs ? { logprobs: true, top_logprobs: request.logprobs.top } : {}),
    truncate: false,
    shift: false,
  };
}

/** What the driver knows of the engine that is asked. */
export interface OllamaTarget {
  /** The engine's own name of the model. */
  readonly model: string;
  /** Constant for a model: each change makes Ollama load it anew. */
  readonly numCtx: number;
  /** A model that cannot think refuses `think: true`, which agents send to every model. */
  readonly canThink: boolean;
  /** How long the model stays loaded: `-1`, `"10m"`, …; absent: as the engine is set up. */
  readonly keepAlive?: number | string;
}

export function planRequest(request: ChatRequest, target: OllamaTarget): Result<JsonObject, Failure> {
  const refused = untranslatable(request);
  if (refused) return err(refused);
  const { thinking, ...rest } = request;
  const body = toRequestBody(target.canThink && thinking ? { ...rest, thinking } : rest);
  return ok({ ...body, ...targetMembers(body, target) });
}

export function targetMembers(body: JsonObject, target: OllamaTarget): JsonObject {
  const options = { ...(body.options as JsonObject | undefined), num_ctx: target.numCtx };
  return {
    model: target.model,
    options,
    ...(target.keepAlive === undefined ? {} : { keep_alive: target.keepAlive }),
  };
}

/** The first thing in a request that Ollama has no way to be asked for; null: all can be said. */
export function untranslatable(request: ChatRequest): Failure | null {
  const { toolChoice } = request;
  if (toolChoice?.kind === "required" || toolChoice?.kind === "tool") {
    return unsupported("tool_choice", `forced tool calls on Ollama: send tool_choice "auto"`);
  }
  for (const message of request.messages) {
    for (const part of message.parts) {
      const inside = part.type === "tool_result" ? part.content : [part];
      for (const one of inside) {
        if (one.type === "image" && one.source.kind === "url") {
          return unsupported("image URLs", "image URLs on Ollama: send the image as base64 data");
        }
        if (one.type === "document" && one.source.kind !== "text") {
          return unsupported("documents", "documents on Ollama: send their text");
        }
      }
    }
  }
  return null;
}

/** Fields of a request that Ollama knows no word for and that only guide it, for `x-flock-adjusted`. */
export function unsaid(request: ChatRequest): string[] {
  const fields: string[] = [];
  if (request.parallelToolCalls === false && request.tools.length > 0) fields.push("parallel_tool_calls");
  if (request.thinking?.budgetTokens !== undefined) fields.push("thinking.budget_tokens");
  if (request.messages.some((message) => message.name !== undefined)) fields.push("messages.name");
  return fields;
}

/** There is no tool choice: a model that may not call is not told of tools. */
function offeredTools({ tools, toolChoice }: ChatRequest): readonly Tool[] {
  return toolChoice?.kind === "none" ? [] : tools;
}

function parseTool(wire: OllamaTool): Tool {
  const { name, description, parameters } = wire.function;
  return {
    name,
    ...(typeof description === "string" ? { description } : {}),
    parameters: parameters ?? { type: "object", properties: {} },
  };
}

function toTool({ name, description, parameters }: Tool): JsonObject {
  const described = description === undefined ? {} : { description };
  return { type: "function", function: { name, ...described, parameters } };
}

function parseOutput(format: OllamaChatRequest["format"]): OutputFormat {
  if (format === null || format === undefined || format === "") return { kind: "text" };
  return format === "json" ? { kind: "json" } : { kind: "json_schema", name: "output", schema: format, strict: true };
}

function toFormat(output: OutputFormat): JsonObject {
  if (output.kind === "text") return {};
  return { format: output.kind === "json" ? "json" : output.schema };
}

function parseThinking(think: boolean | string): Thinking {
  return typeof think === "string" ? { enabled: true, effort: think } : { enabled: think };
}

/** Other dialects know more levels than Ollama does. */
function toThink({ enabled, effort }: Thinking): JsonValue {
  if (!enabled) return false;
  switch (effort) {
    case "low":
    case "medium":
    case "high":
    case "max":
      return effort;
    case "minimal":
      return "low";
    case "xhigh":
      return "max";
    default:
      return true;
  }
}
