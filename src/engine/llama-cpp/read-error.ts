import type { Failure } from "../../core/failure.ts";
import type { Replica } from "../../core/replica.ts";

/** What stands in `error` of a body; anything may be missing. */
interface Reported {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly promptTokens: number | null;
  readonly contextTokens: number | null;
}

/** An engine's answer can be a proxy's page: enough of it to see what it is. */
const MAX_CAUSE_CHARACTERS = 300;

/**
 * What a non-2xx answer of llama-server means, or of an engine that speaks its dialect. `endpoint` of
 * `engine_unreachable` stays empty: a wire does not know where its engine is, the gateway does.
 */
export function readLlamaServerError(
  engine: { readonly name: string; readonly start: string },
  status: number,
  body: string,
  replica: Replica,
): Failure {
  const { message, type, param, promptTokens, contextTokens } = parseReported(status, body);
  if (type === "exceed_context_size_error") {
    return {
      kind: "context_exceeded",
      model: replica.model,
      promptTokens: promptTokens ?? 0,
      contextTokens: contextTokens ?? replica.contextTokens,
    };
  }
  if (status === 501 || type === "not_supported_error") {
    return { kind: "unsupported", capability: param ?? type, endpoint: false, message };
  }
  const medium = unseenMedium(message);
  if (medium !== null) return { kind: "unsupported", capability: medium, endpoint: false, message };
  // Malformed JSON is the request's fault, and yet 500.
  if (status === 400 || message.startsWith("[json.exception"))
    return { kind: "invalid_request", field: param, message };
  if (status === 503) return { kind: "engine_unreachable", engine: engine.name, endpoint: "", start: engine.start };
  if (status === 401 || status === 403) {
    return { kind: "engine_failed", engine: engine.name, cause: "it does not accept the API key that is configured" };
  }
  return { kind: "engine_failed", engine: engine.name, cause: message };
}

/** llama-server says 500 when a model cannot see or hear, though it is the request that asks too much. */
function unseenMedium(message: string): string | null {
  if (message.startsWith("image input is not supported")) return "images";
  if (message.startsWith("audio input is not supported")) return "audio";
  return null;
}

function parseReported(status: number, body: string): Reported {
  const error = read(parseJson(body), "error");
  const message = read(error, "message");
  return {
    message: typeof message === "string" ? message.slice(0, MAX_CAUSE_CHARACTERS) : `it answered with status ${status}`,
    type: stringOr(read(error, "type"), ""),
    param: stringOr(read(error, "param"), null),
    promptTokens: numberOrNull(read(error, "n_prompt_tokens")),
    contextTokens: numberOrNull(read(error, "n_ctx")),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function read(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function stringOr<T>(value: unknown, otherwise: T): string | T {
  return typeof value === "string" ? value : otherwise;
}

function numberOrNull(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
