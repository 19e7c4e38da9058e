import { err, ok, type Result } from "../../core/result.ts";
import type { Endpoint } from "../driver.ts";

/** What an engine on loopback or in the building needs at most to say what it is. */
const ASK_TIMEOUT_MS = 5_000;
const MAX_ANSWER_CHARACTERS = 4 * 2 ** 20;

export interface Answer {
  readonly status: number;
  /** Null: not JSON. */
  readonly body: unknown;
}

/** One GET. The error says in a few words why nothing came: refused, timed out, cut off. */
export async function askEngine(at: Endpoint, path: string, signal: AbortSignal): Promise<Result<Answer, string>> {
  try {
    const response = await fetch(`${at.url}${path}`, {
      headers: at.secret === "" ? {} : { authorization: `Bearer ${at.secret}` },
      signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]),
      // A redirect would carry the secret to somebody else.
      redirect: "error",
      keepalive: false,
    });
    const text = (await response.text()).slice(0, MAX_ANSWER_CHARACTERS);
    return ok({ status: response.status, body: parseJson(text) });
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
