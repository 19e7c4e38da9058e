import type { JsonObject, JsonValue } from "../../core/chat-request.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import { leftOutType } from "../../wire/openai-responses-items.ts";
import { broughtTools } from "./brought-tools.ts";
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
  const { tools, input } = isJsonObject(body) ? body : {};
  const read = readTools(Array.isArray(tools) ? tools : [], broughtTools(input));
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
    const type = leftOutType(item);
    if (type !== null) dropped.add(`input.${type}`);
    if (isJsonObject(item) && item.type === "agent_message" && hasSecret(item.content))
      dropped.add("input.agent_message");
  }
  if (isJsonObject(body.text) && isGiven(body.text.verbosity)) dropped.add("text.verbosity");
  if (body.truncation === "auto") dropped.add("truncation");
  for (const field of ["context_management", "moderation"]) if (isGiven(body[field])) dropped.add(field);
  return [...dropped].map((name) => name.slice(0, 64).replaceAll(/[^\w.:-]/g, "_"));
}

function hasSecret(content: JsonValue | undefined): boolean {
  return Array.isArray(content) && content.some((part) => isJsonObject(part) && part.type === "encrypted_content");
}

/**
 * The parameters of a request as an answer repeats them, with OpenAI's own defaults where there are any. Of the tools it
 * has those that the model may call, also those that came in `conversation`, where that is more than the body itself.
 */
export function echoOf(body: unknown, conversation: unknown = body): JsonObject {
  const given = isJsonObject(body) ? body : {};
  const or = (field: string, otherwise: JsonValue): JsonValue => given[field] ?? otherwise;
  const own = Array.isArray(given.tools) ? given.tools : [];
  const brought = broughtTools(isJsonObject(conversation) ? conversation.input : undefined);
  const tools = [...own, ...brought.map(({ tool }) => tool)];
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

const CALLABLE = new Set<JsonValue | undefined>(["function", "custom", "namespace", "tool_search"]);

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
