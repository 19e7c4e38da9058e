import { err, ok, type Result } from "../core/result.ts";
import type { Endpoint } from "./driver.ts";

/** What an engine on loopback or in the building needs at most to say what it is. */
const ASK_TIMEOUT_MS = 5_000;
const MAX_ANSWER_CHARACTERS = 4 * 2 ** 20;

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** Its `server` header; "": none. */
  readonly server: string;
  /** Null: not JSON. */
  readonly body: unknown;
}

export interface Question {
  /** GET without it; POST with it, as JSON. */
  readonly body?: unknown;
  readonly method?: "GET" | "POST" | "DELETE";
  /** For calls that work before they answer. */
  readonly timeoutMs?: number;
}

/** One call. The error says in a few words why nothing came: refused, timed out, cut off. */
export async function askEngine(
  at: Endpoint,
  path: string,
  signal: AbortSignal,
  question: Question = {},
): Promise<Result<Answer, string>> {
  try {
    const response = await openEngine(at, path, limited(signal, question.timeoutMs), question);
    const text = (await response.text()).slice(0, MAX_ANSWER_CHARACTERS);
    const server = response.headers.get("server") ?? "";
    return ok({ status: response.status, text, server, body: parseJson(text) });
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}

/** The same for answers that come in pieces: whoever reads them bounds the time by the signal. Rejects like `fetch`. */
export function openEngine(at: Endpoint, path: string, signal: AbortSignal, question: Question): Promise<Response> {
  const { body } = question;
  return fetch(`${at.url}${path}`, {
    method: question.method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      ...(at.secret === "" ? {} : { authorization: `Bearer ${at.secret}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal,
    // A redirect would carry the secret to somebody else.
    redirect: "error",
    keepalive: false,
    timeout: false,
  });
}

function limited(signal: AbortSignal, timeoutMs = ASK_TIMEOUT_MS): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
