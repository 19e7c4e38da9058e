import type { JsonObject } from "../../core/chat-request.ts";
import { isJsonObject } from "../../wire/parse-body.ts";

/** What a request says, as items: a lone text is a message of the user's. */
export function inputItems(body: unknown): JsonObject[] {
  const input = isJsonObject(body) ? body.input : null;
  if (typeof input === "string")
    return [{ type: "message", role: "user", content: [{ type: "input_text", text: input }] }];
  return Array.isArray(input) ? input.filter(isJsonObject) : [];
}

/**
 * The body with the earlier conversation in front of its own items, and with references replaced by the items that they
 * mean. A reference to what `find` does not know stays, and `parseRequest` refuses it by name. Its `inputItems` after
 * the first `history.length` are what is new: keep those, not the references.
 */
export function withHistory(
  body: JsonObject,
  history: readonly JsonObject[],
  find: (itemId: string) => JsonObject | null,
): JsonObject {
  const { previous_response_id: _resolved, ...rest } = body;
  const said = inputItems(body).map((item) => {
    if (item.type !== "item_reference" || typeof item.id !== "string") return item;
    return find(item.id) ?? item;
  });
  return { ...rest, input: [...history, ...said] };
}

/** The ids that a request refers to. Mostly none: then nothing need be looked up. */
export function referencedItems(body: unknown): string[] {
  return inputItems(body).flatMap((item) =>
    item.type === "item_reference" && typeof item.id === "string" ? [item.id] : [],
  );
}
