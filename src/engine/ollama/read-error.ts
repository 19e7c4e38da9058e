import type { Failure } from "../../core/failure.ts";
import type { Replica } from "../../core/replica.ts";
import { OLLAMA_REINSTALL, OLLAMA_START } from "./start.ts";

/** What an error needs to know of the model that was asked. */
type Told = Pick<Replica, "model" | "engineModel" | "contextTokens">;

const MAX_CAUSE_CHARACTERS = 300;

/** What a non-2xx answer of Ollama means: `{"error":"text"}`, where the text may be a whole error of its llama-server. */
export function readOllamaError(status: number, body: string, replica: Replica): Failure {
  const text = errorText(body);
  if (text === null) return failed(`it answered with status ${status}`);
  return readOllamaText(text, replica, status);
}

/**
 * What an error's text means. Ollama says some only after a 200, in a line of the stream: `status` null.
 */
export function readOllamaText(text: string, replica: Told, status: number | null): Failure {
  const overflow = readOverflow(text, replica);
  if (overflow !== null) return overflow;
  const cause = (nestedMessage(text) ?? text).slice(0, MAX_CAUSE_CHARACTERS);
  if (/llama-server binary not found/i.test(text)) {
    return failed("this installation of Ollama lacks its llama-server binary", OLLAMA_REINSTALL);
  }
  if (/requires more system memory|out of memory|unable to allocate/i.test(text)) {
    return failed(cause, "FLOCK_ENGINE_OLLAMA_CONTEXT=8192 flock up");
  }
  const unable = /does not support (\w+)/i.exec(text)?.[1];
  if (unable !== undefined) return { kind: "unsupported", capability: unable, endpoint: false, message: cause };
  if (status === 404 || /^model .* not found/i.test(text)) {
    return failed(`it has no model ${replica.engineModel} any more`, `ollama pull ${replica.engineModel}`);
  }
  if (status === 503 || /server busy/i.test(text)) {
    return { kind: "queue_full", model: replica.model, retryAfterMs: 1_000 };
  }
  if (status === 401 || status === 403) return failed("it refuses the request: it wants a sign-in that Flock has not");
  if (status === 400) return { kind: "invalid_request", field: null, message: cause };
  return failed(cause);
}

/** The prompt does not fit, in the words of any layer that says so first; the numbers where it gives them. */
function readOverflow(text: string, replica: Told): Failure | null {
  const known =
    /exceed_context_size_error|exceeds the available context size|longer than the context length|exceeds (?:the|maximum) context length/i;
  if (!known.test(text)) return null;
  const prompt = /n_prompt_tokens\D{1,5}(\d+)/.exec(text) ?? /request \((\d+) tokens\)/.exec(text);
  const context = /n_ctx\D{1,5}(\d+)/.exec(text) ?? /context size \((\d+) tokens\)/.exec(text);
  const contextTokens = context ? Number(context[1]) : replica.contextTokens;
  // Without a count all that is known is that it is one too many.
  const promptTokens = prompt ? Number(prompt[1]) : contextTokens + 1;
  return { kind: "context_exceeded", model: replica.model, promptTokens, contextTokens };
}

export function errorText(body: string): string | null {
  const error = member(parseJson(body), "error");
  return typeof error === "string" ? error : (messageOf(error) ?? null);
}

function nestedMessage(text: string): string | null {
  return text.startsWith("{") ? messageOf(member(parseJson(text), "error")) : null;
}

function messageOf(error: unknown): string | null {
  const message = member(error, "message");
  return typeof message === "string" ? message : null;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export function unreachable(endpoint: string): Failure {
  return { kind: "engine_unreachable", engine: "ollama", endpoint, start: OLLAMA_START };
}

export function failed(cause: string, mend?: string): Failure {
  return { kind: "engine_failed", engine: "ollama", cause, ...(mend === undefined ? {} : { mend }) };
}
