import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import { MOST_TOKENS } from "../wire/sampling-bounds.ts";
import type { ScannedBody } from "../wire/scan-body.ts";
import type { ChatSurface } from "./chat-surface.ts";

/** What English prose and code come to; the engine's own count settles the account. */
export const BYTES_PER_TOKEN = 4;

/** What policy needs to know of a request; read from the body's bytes without parsing the rest. */
export interface PolicyFields {
  readonly model: string;
  readonly stream: boolean;
  /** The most that the answer can have, all its choices together; null: the client sets no limit. */
  readonly maxOutputTokens: number | null;
  /** How many answers are asked for at once. */
  readonly choices: number;
  readonly promptTokensEstimate: number;
}

/** Engines' own names for the answer's length, which they prefer to the API's; they are passed through. */
const ENGINE_NAMES: readonly string[] = ["n_predict"];

export function readPolicyFields(surface: ChatSurface, body: ScannedBody): Result<PolicyFields, Failure> {
  const model = body.string("model");
  if (model === undefined || model === "")
    return invalid("model", 'model must be a non-empty string, for example "auto"');
  const given = body.raw("stream") ?? "null";
  const stream = given === "null" ? String(surface.streamsByDefault) : given;
  if (stream !== "true" && stream !== "false") return invalid("stream", "stream must be true or false");
  const most = readMaxTokens(body, surface);
  if (!most.ok) return most;
  const choices = Math.max(1, Number(body.raw("n") ?? 1) || 1);
  const maxOutputTokens = most.value === null ? null : most.value * choices;
  const promptTokensEstimate = Math.ceil(body.bytes.byteLength / BYTES_PER_TOKEN);
  return ok({ model, stream: stream === "true", maxOutputTokens, choices, promptTokensEstimate });
}

/** What an image comes to that is named by its address; where a quota must not be exceeded it counts four times that. */
export const FETCHED_TOKENS = 1024;
const ADDRESS = Buffer.from('"http');

/** How many texts in a body are addresses and nothing else: in messages that is how images are named. */
export function fetchedMedia({ bytes }: ScannedBody): number {
  let count = 0;
  for (let at = bytes.indexOf(ADDRESS); at >= 0; at = bytes.indexOf(ADDRESS, at + ADDRESS.length)) count += 1;
  return count;
}

/** Where several are given the largest counts: which one an engine obeys is its own affair. */
function readMaxTokens(body: ScannedBody, surface: ChatSurface): Result<number | null, Failure> {
  let most: number | null = null;
  for (const name of surface.maxTokensFields) {
    const dot = name.indexOf(".");
    const raw = dot < 0 ? body.raw(name) : member(body, name.slice(0, dot), name.slice(dot + 1));
    if (raw === undefined || raw === "null") continue;
    const value = Number(raw);
    // Ollama says -1 and -2 for "as long as it takes".
    if (dot >= 0 && (value === -1 || value === -2)) continue;
    if (!Number.isInteger(value) || value < 1 || value > MOST_TOKENS || raw.startsWith('"')) {
      return invalid(name, `${name} must be a whole number from 1 to ${MOST_TOKENS}, not ${raw.slice(0, 40)}`);
    }
    most = Math.max(most ?? 0, value);
  }
  if (most === null) return ok(null);
  for (const name of ENGINE_NAMES) {
    const raw = body.raw(name);
    if (raw === undefined || raw === "null") continue;
    const value = Number(raw);
    if (!(value >= 0)) return ok(null);
    most = Math.max(most, value);
  }
  return ok(most);
}

/** JSON text of a member of a member: `options.num_predict`. */
function member(body: ScannedBody, outer: string, inner: string): string | undefined {
  const value = body.json(outer);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return value[inner] === undefined ? undefined : JSON.stringify(value[inner]);
}

function invalid(field: string, message: string): Result<never, Failure> {
  return err({ kind: "invalid_request", field, message });
}
