import type { JsonObject, JsonValue } from "../../core/chat-request.ts";
import { HOSTED_ITEMS } from "../../wire/openai-responses.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import { NO_TOOLS, readTools, type ReadTools } from "./tools.ts";

/** The member of `include` that asks for log probabilities. */
export const LOGPROBS = "message.output_text.logprobs";

export interface StoreFields {
  /** Keep this response, so that a later one can build on it. OpenAI's default. */
  readonly store: boolean;
  readonly previousResponseId: string | null;
}

/** Takes a body of any shape: what is wrong with it is `parseRequest`'s to say. */
export function readStoreFields(body: unknown): StoreFields {
  const { store, previous_response_id: previous } = isJsonObject(body) ? body : {};
  return {
    store: store !== false,
    previousResponseId: typeof previous === "string" && previous !== "" ? previous : null,
  };
}

/** The tools of a request, or of its echo. */
export function toolsOf(body: unknown): ReadTools {
  const wire = isJsonObject(body) && Array.isArray(body.tools) ? body.tools : [];
  const read = readTools(wire);
  return read.ok ? read.value : NO_TOOLS;
}

/**
 * What of a request has no effect here and is said to have none (`x-flock-adjusted`), as short names that are safe in a
 * header. `truncation: "auto"` stands among them: a prompt that does not fit is refused, as with `disabled`.
 */
export function droppedFields(body: unknown): string[] {
  if (!isJsonObject(body)) return [];
  const dropped = new Set<string>(toolsOf(body).dropped);
  for (const item of Array.isArray(body.input) ? body.input : []) {
    const type = isJsonObject(item) ? item.type : null;
    const hosted = HOSTED_ITEMS.find((one) => one === type);
    if (hosted) dropped.add(`input.${hosted}`);
  }
  if (isJsonObject(body.text) && isGiven(body.text.verbosity)) dropped.add("text.verbosity");
  if (body.truncation === "auto") dropped.add("truncation");
  for (const field of ["context_management", "moderation"]) if (isGiven(body[field])) dropped.add(field);
  return [...dropped].map((name) => name.slice(0, 64).replaceAll(/[^\w.:-]/g, "_"));
}

/**
 * The parameters of a request as an answer repeats them, with OpenAI's own defaults where there are any. Of the tools it
 * has those that the model may call.
 */
export function echoOf(body: unknown): JsonObject {
  const given = isJsonObject(body) ? body : {};
  const or = (field: string, otherwise: JsonValue): JsonValue => given[field] ?? otherwise;
  const tools = Array.isArray(given.tools) ? given.tools : [];
  return {
    background: false,
    instructions: or("instructions", null),
    max_output_tokens: or("max_output_tokens", null),
    max_tool_calls: or("max_tool_calls", null),
    metadata: or("metadata", {}),
    parallel_tool_calls: or("parallel_tool_calls", true),
    previous_response_id: or("previous_response_id", null),
    prompt_cache_key: or("prompt_cache_key", null),
    reasoning: { effort: null, summary: null, ...(isJsonObject(given.reasoning) ? given.reasoning : {}) },
    safety_identifier: or("safety_identifier", null),
    service_tier: "default",
    store: given.store !== false,
    temperature: or("temperature", null),
    text: { format: { type: "text" }, ...(isJsonObject(given.text) ? given.text : {}) },
    tool_choice: or("tool_choice", "auto"),
    tools: tools.filter((tool) => isJsonObject(tool) && CALLABLE.has(tool.type)),
    top_logprobs: or("top_logprobs", 0),
    top_p: or("top_p", null),
    truncation: "disabled",
    user: or("user", null),
  };
}

const CALLABLE = new Set<JsonValue | undefined>(["function", "custom", "namespace"]);

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
