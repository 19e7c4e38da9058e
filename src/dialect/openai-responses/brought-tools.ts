import type { JsonObject, JsonValue } from "../../core/chat-request.ts";
import { isJsonObject } from "../../wire/parse-body.ts";

/** A tool that stands among the items of a conversation, and where. */
export interface BroughtTool {
  readonly path: string;
  readonly tool: JsonObject;
}

/**
 * Codex gives its tools in the conversation (`additional_tools`), or lets the model look for them first: what was found
 * (`tool_search_output`) may be called from then on. Here both are tools like those of the request.
 */
export function broughtTools(input: JsonValue | undefined): BroughtTool[] {
  if (!Array.isArray(input)) return [];
  return input.flatMap((item, at) => {
    if (!isJsonObject(item) || (item.type !== "additional_tools" && item.type !== "tool_search_output")) return [];
    const tools = Array.isArray(item.tools) ? item.tools : [];
    return tools.flatMap((tool, index) => (isJsonObject(tool) ? [{ path: `input[${at}].tools[${index}]`, tool }] : []));
  });
}
