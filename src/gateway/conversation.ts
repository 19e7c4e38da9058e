import type { ScannedBody } from "../wire/scan-body.ts";
import type { Conversation } from "../core/route-ask.ts";

/** Headers in which clients name their session: Claude Code, opencode, Codex and others. */
const SESSION_HEADERS = [
  "x-claude-code-session-id",
  "x-session-id",
  "x-session-affinity",
  "session-id",
  "session_id",
  "thread-id",
  "conversation_id",
];

/** The members of a body that make the prompt, in the order in which chat templates render them. */
const PROMPT_MEMBERS = ["tools", "system", "instructions", "messages", "input", "prompt"];

const EMPTY = new Uint8Array();

/** The client's name for the conversation, if it has one, and its prompt without what changes from turn to turn. */
export function readConversation(
  keyId: string,
  headers: Pick<Headers, "get"> | null,
  body: ScannedBody | null,
): Conversation {
  const name = sessionOf(headers, body);
  return { session: name === "" ? "" : `${keyId} ${name}`, prompt: body === null ? EMPTY : promptOf(body) };
}

function sessionOf(headers: Pick<Headers, "get"> | null, body: ScannedBody | null): string {
  for (const name of SESSION_HEADERS) {
    const value = headers?.get(name);
    if (value) return value.slice(0, 200);
  }
  const named = body?.string("prompt_cache_key") || userOf(body) || body?.string("user") || "";
  return named.slice(0, 200);
}

function userOf(body: ScannedBody | null): string {
  if (body?.has("metadata") !== true) return "";
  const metadata = body.json("metadata");
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return "";
  return typeof metadata.user_id === "string" ? metadata.user_id : "";
}

function promptOf(body: ScannedBody): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (const name of PROMPT_MEMBERS) {
    const span = body.get(name);
    if (span !== undefined) pieces.push(...steadyPieces(body.bytes.subarray(span.valueStart, span.valueEnd)));
  }
  const [first = EMPTY] = pieces;
  return pieces.length === 1 ? first : Buffer.concat(pieces);
}

const CACHE_MARK = '"cache_control"';
const BILLING_MARK = '"x-anthropic-billing-header:';
const QUOTE = 0x22;
const COMMA = 0x2c;
const CLOSING_BRACE = 0x7d;

/**
 * The text without what agents move or change from one turn to the next: marks of where a vendor should cache, and a line
 * with a hash of its own in every request. Neither reaches a local engine.
 */
function steadyPieces(bytes: Uint8Array): Uint8Array[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pieces: Uint8Array[] = [];
  let start = 0;
  const cut = (from: number, to: number): void => {
    if (from > start) pieces.push(text.subarray(start, from));
    start = to;
  };
  const billing = text.indexOf(BILLING_MARK);
  if (billing >= 0) cut(billing + 1, endOfString(text, billing + 1));
  for (let at = text.indexOf(CACHE_MARK, start); at >= 0; at = text.indexOf(CACHE_MARK, start)) {
    const end = text.indexOf(CLOSING_BRACE, at);
    if (end < 0) break;
    // With the comma that joins it to its neighbour: the same text without the mark has none.
    if (text[at - 1] === COMMA) cut(at - 1, end + 1);
    else cut(at, text[end + 1] === COMMA ? end + 2 : end + 1);
  }
  cut(text.length, text.length);
  return pieces;
}

function endOfString(text: Buffer, from: number): number {
  let at = text.indexOf(QUOTE, from);
  while (at >= 0 && text[at - 1] === 0x5c) at = text.indexOf(QUOTE, at + 1);
  return at < 0 ? text.length : at;
}
