import type { JsonObject } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";

const MOST_A_PAGE = 100;
const USUAL_PAGE = 20;

/** One page of what a response was asked (`GET /v1/responses/:id/input_items`), newest first where nothing else is said. */
export function inputPage(
  input: readonly JsonObject[],
  responseId: string,
  query: URLSearchParams,
): Result<JsonObject, Failure> {
  const order = query.get("order") ?? "desc";
  if (order !== "asc" && order !== "desc") return err(wrong("order", "must be asc or desc"));
  const limit = Number(query.get("limit") ?? USUAL_PAGE);
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST_A_PAGE) {
    return err(wrong("limit", `must be a whole number from 1 to ${MOST_A_PAGE}`));
  }
  const items = input.map((item, at) => withId(item, responseId, at));
  if (order === "desc") items.reverse();
  const after = query.get("after");
  const start = after === null ? 0 : items.findIndex(({ id }) => id === after) + 1;
  if (after !== null && start === 0) return err(wrong("after", "no item of this id is there"));
  const data = items.slice(start, start + limit);
  return ok({
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + limit < items.length,
  });
}

/** What a client says has no id and need not tell its type; what is listed has both, the same ones each time. */
function withId(item: JsonObject, responseId: string, at: number): JsonObject {
  if (typeof item.id === "string") return item;
  const type = item.type ?? "message";
  const id = `${type === "message" ? "msg" : "item"}_${responseId.replace(/^resp_/, "")}in${at}`;
  return { ...item, type, id, ...(type === "message" ? { status: "completed" } : {}) };
}

function wrong(field: string, problem: string): Failure {
  return { kind: "invalid_request", field, message: `${field}: ${problem}` };
}
