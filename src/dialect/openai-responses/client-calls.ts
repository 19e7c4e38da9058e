import type { JsonValue, ToolCallPart, ToolResultPart } from "../../core/chat-request.ts";
import type { ResponsesItem } from "../../wire/openai-responses-items.ts";
import { TOOL_SEARCH } from "./tools.ts";

type Item<Type extends string> = Extract<ResponsesItem, { type: Type }>;

/** Calls of a vendor's tools that the client ran, as calls like any other: the model should see what was done. */
export function parseClientCall(
  item: Item<"local_shell_call" | "shell_call" | "apply_patch_call">,
): ToolCallPart[] | null {
  const id = item.call_id || item.id;
  if (!id) return null;
  const name = item.type.replace(/_call$/, "");
  return [{ type: "tool_call", id, name, arguments: JSON.stringify(item.action ?? item.operation ?? {}) }];
}

export function parseClientOutput(
  item: Item<"local_shell_call_output" | "shell_call_output" | "apply_patch_call_output">,
): ToolResultPart[] | null {
  const id = item.call_id || item.id;
  if (!id) return null;
  const { output } = item;
  return [result(id, typeof output === "string" ? output : JSON.stringify(output ?? []))];
}

/** Null for a search that the vendor did itself: it has no id, and its result is for the vendor. */
export function searchCall({ call_id: id, arguments: given }: Item<"tool_search_call">): ToolCallPart[] | null {
  if (!id) return null;
  const json = typeof given === "string" ? given : JSON.stringify(given ?? {});
  return [{ type: "tool_call", id, name: TOOL_SEARCH, arguments: json || "{}" }];
}

/** What was found is among the tools from then on, with its schema: here its name is enough. */
export function searchOutput({ call_id: id, tools }: Item<"tool_search_output">): ToolResultPart[] | null {
  if (!id) return null;
  const found = (tools ?? []).flatMap((tool) => {
    const { name } = tool as { name?: JsonValue };
    return typeof name === "string" ? [name] : [];
  });
  return [result(id, found.length > 0 ? `Can be called now: ${found.join(", ")}` : "Nothing was found.")];
}

function result(callId: string, text: string): ToolResultPart {
  return { type: "tool_result", callId, content: text === "" ? [] : [{ type: "text", text }], isError: false };
}
