import type { JsonObject } from "../../core/chat-request.ts";
import { isJsonObject } from "../../wire/parse-body.ts";

/**
 * Sent while nothing happens. NDJSON has no comments, and clients fail on blank lines (Go, Python) or log them
 * (JavaScript). A space is white space before the next line's JSON, which every parser skips: bytes flow, so that
 * proxies keep the connection, and no client sees anything. It is only ever sent between lines.
 */
export const KEEP_ALIVE = " ";

/** A body of `/api/chat` without messages, or of `/api/generate` without a prompt: it loads the model, no more. */
export function isLoadRequest(body: unknown): boolean {
  return asksNothing(body) && !isZero(body.keep_alive);
}

/** Such a body with `keep_alive` 0: it takes the model out of memory. */
export function isUnloadRequest(body: unknown): boolean {
  return asksNothing(body) && isZero(body.keep_alive);
}

/** Loading and unloading is answered in one piece, whatever `stream` says. */
export function toResidencyAnswer(
  endpoint: "chat" | "generate",
  model: string,
  createdAt: number,
  reason: "load" | "unload",
): JsonObject {
  const head = { model, created_at: new Date(createdAt).toISOString() };
  const said = endpoint === "chat" ? { message: { role: "assistant", content: "" } } : { response: "" };
  return { ...head, ...said, done: true, done_reason: reason };
}

function asksNothing(body: unknown): body is JsonObject {
  if (!isJsonObject(body)) return false;
  const { messages, prompt } = body;
  const noMessages = messages === undefined || messages === null || (Array.isArray(messages) && messages.length === 0);
  return noMessages && (prompt === undefined || prompt === null || prompt === "");
}

/** 0, or a Go duration that comes to nothing: `0`, `0s`, `0m0s`. */
function isZero(keepAlive: unknown): boolean {
  if (typeof keepAlive === "number") return keepAlive === 0;
  return typeof keepAlive === "string" && /^[+-]?(?:0|(?:0+(?:\.0*)?(?:ns|us|µs|ms|s|m|h))+)$/.test(keepAlive);
}
