import type { JsonObject } from "../core/chat-request.ts";
import type { Failure, FailureKind } from "../core/failure.ts";

/** The client API whose shapes are spoken. */
export type Surface = "openai" | "anthropic" | "ollama";

export interface ErrorResponse {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

interface Row {
  /** Status, `error.type`, `error.code`. */
  readonly openai: readonly [number, string, string | null];
  /** Status, `error.type`. */
  readonly anthropic: readonly [number, string];
  readonly ollama: number;
}

/**
 * The one table that decides on statuses. Rows name every surface because clients act on them differently: a full
 * queue is 429 to an OpenAI client, but an Anthropic client retries on 529 only.
 */
const SHAPES = {
  unauthenticated: row([401, "invalid_request_error", "invalid_api_key"], [401, "authentication_error"], 401),
  forbidden: row([403, "insufficient_permissions", "insufficient_permissions"], [403, "permission_error"], 403),
  invalid_request: row([400, "invalid_request_error", null], [400, "invalid_request_error"], 400),
  too_large: row([413, "invalid_request_error", "request_too_large"], [413, "request_too_large"], 413),
  unknown_model: row([404, "invalid_request_error", "model_not_found"], [404, "not_found_error"], 404),
  unknown_response: row([404, "invalid_request_error", null], [404, "not_found_error"], 404),
  context_exceeded: row([400, "invalid_request_error", "context_length_exceeded"], [400, "invalid_request_error"], 400),
  unsupported: row([400, "invalid_request_error", "unsupported"], [400, "invalid_request_error"], 400),
  rate_limited: row([429, "rate_limit_error", "rate_limit_exceeded"], [429, "rate_limit_error"], 429),
  quota_exceeded: row([429, "insufficient_quota", "insufficient_quota"], [429, "rate_limit_error"], 429),
  queue_full: row([429, "rate_limit_error", "rate_limit_exceeded"], [529, "overloaded_error"], 503),
  engine_unreachable: row([503, "server_error", "engine_unreachable"], [529, "overloaded_error"], 503),
  engine_failed: row([502, "server_error", "engine_failed"], [500, "api_error"], 502),
  engine_timeout: row([504, "server_error", "engine_timeout"], [500, "api_error"], 504),
  // 499 is for logs only: the client that would read it is gone.
  cancelled: row([499, "server_error", "cancelled"], [499, "api_error"], 499),
  internal: row([500, "server_error", "internal_error"], [500, "api_error"], 500),
} as const satisfies Record<FailureKind, Row>;

function row(openai: Row["openai"], anthropic: Row["anthropic"], ollama: number): Row {
  return { openai, anthropic, ollama };
}

/** The HTTP status of a failure on a surface. */
function failureStatus(surface: Surface, failure: Failure): number {
  // A whole endpoint that is missing is 501, so that a client does not look for the mistake in its body.
  if (surface === "openai" && failure.kind === "unsupported" && failure.endpoint) return 501;
  const shape = SHAPES[failure.kind];
  return surface === "ollama" ? shape.ollama : shape[surface][0];
}

/** The error object of a surface, for a body or for the last frame of a stream. `requestId` null: left out. */
export function toErrorObject(surface: Surface, failure: Failure, requestId: string | null): JsonObject {
  const shape = SHAPES[failure.kind];
  const message = failureMessage(failure, surface);
  switch (surface) {
    case "openai":
      return { error: { message, type: shape.openai[1], param: paramOf(failure), code: shape.openai[2] } };
    case "anthropic": {
      const error: JsonObject = { type: shape.anthropic[1], message };
      const details = detailsOf(failure);
      if (details) error.details = details;
      return { type: "error", error, ...(requestId === null ? {} : { request_id: requestId }) };
    }
    case "ollama":
      return { error: message };
  }
}

/** A failure as a whole HTTP answer. `cancelled` has status 499 and no body: nobody reads it. */
export function toErrorResponse(surface: Surface, failure: Failure, requestId: string): ErrorResponse {
  const headers: Record<string, string> = { "x-request-id": requestId, "request-id": requestId };
  const status = failureStatus(surface, failure);
  if (failure.kind === "cancelled") return { status, headers, body: "" };
  headers["content-type"] = "application/json";
  if ("retryAfterMs" in failure) headers["retry-after"] = String(Math.max(1, Math.ceil(failure.retryAfterMs / 1000)));
  return { status, headers, body: JSON.stringify(toErrorObject(surface, failure, requestId)) };
}

/** The `capability` of the refusal that makes the Anthropic SDK fall back from threads to whole histories. */
export const THREADS_CAPABILITY = "message threads";

function paramOf(failure: Failure): string | null {
  if (failure.kind === "invalid_request") return failure.field;
  if (failure.kind === "unknown_model") return "model";
  return failure.kind === "context_exceeded" ? "messages" : null;
}

/** Without this code in `details` the SDK's tool runner gives up on the 400 instead of sending the whole history. */
function detailsOf(failure: Failure): JsonObject | null {
  if (failure.kind !== "unsupported" || failure.capability !== THREADS_CAPABILITY) return null;
  return { error_code: "thread_unsupported_request", unsupported: [] };
}

/** A failure in one line for the person who reads it, with the step that mends it. */
export function failureMessage(failure: Failure, surface: Surface = "openai"): string {
  switch (failure.kind) {
    case "unauthenticated":
      return `${failure.reason}. Send a Flock key as "Authorization: Bearer <key>" or "x-api-key: <key>"; an admin makes one with \`flock token create\`.`;
    case "forbidden":
      return `This key may not use ${failure.what}. ${failure.mend ?? "An admin can issue a key that may: `flock token create`."}`;
    case "invalid_request":
      return failure.message;
    case "too_large":
      return `The request body is larger than ${failure.limitBytes} bytes. Shorten the history or send smaller images.`;
    case "unknown_model":
      return unknownModel(failure);
    case "unknown_response":
      return `No response "${failure.id}" is kept here for this key. Responses are kept for a limited time and only with store: true.`;
    case "context_exceeded":
      return contextExceeded(failure.model, failure.promptTokens, failure.contextTokens, surface);
    case "unsupported":
      return failure.message;
    case "rate_limited":
      return `${failure.message} Try again in ${inSeconds(failure.retryAfterMs)}.`;
    case "quota_exceeded":
      return quotaExceeded(failure);
    case "queue_full":
      return `All replicas of ${failure.model} are busy and ${failure.waitedMs === undefined ? "the queue is full" : `none came free within ${inSeconds(failure.waitedMs)}`}. Try again in ${inSeconds(failure.retryAfterMs)}, or let an admin add a machine: \`flock token create --node\`.`;
    case "engine_unreachable":
      return `The engine ${failure.engine} at ${failure.endpoint} does not answer. Start it with \`${failure.start}\`.`;
    case "engine_failed":
      return `The engine ${failure.engine} failed: ${failure.cause}. ${failure.mend === undefined ? "Try again; `flock status` shows its state." : `Mend it with: ${failure.mend}`}`;
    case "engine_timeout":
      return `The engine ${failure.engine} gave no answer within ${inSeconds(failure.waitedMs)}. Try again; \`flock status\` shows its state.`;
    case "cancelled":
      return "The client closed the request.";
    case "internal":
      return `Internal error ${failure.id}. Give this id to the administrator: the log of the Flock server names the cause.`;
  }
}

function quotaExceeded(failure: Extract<Failure, { kind: "quota_exceeded" }>): string {
  const { limitTokens, usedTokens, neededTokens, busy, retryAfterMs } = failure;
  const raise = "an admin can raise it: `flock token edit <key> --quota N`";
  if (busy) {
    return `Of the daily quota of ${limitTokens} tokens ${usedTokens} are used, and the rest is set aside for this key's running requests. Try again in ${inSeconds(retryAfterMs)}, or ${raise}.`;
  }
  const needs =
    neededTokens === undefined || usedTokens >= limitTokens ? "" : `, and this request needs ${neededTokens}`;
  return `The daily quota of ${limitTokens} tokens is used up (${usedTokens} used${needs}). It starts anew in ${inSeconds(retryAfterMs)}; ${raise}.`;
}

function unknownModel({ model, nearest, standsFor, add }: Extract<Failure, { kind: "unknown_model" }>): string {
  if (standsFor !== undefined)
    return `The model "${model}" stands for "${standsFor}", which is not loaded here. GET /v1/models or \`flock model ls\` lists what is.`;
  if (add !== undefined) return `The model "${model}" is not loaded here. An admin adds it with \`${add}\`.`;
  const hint = nearest.length > 0 ? ` Nearest: ${nearest.map((name) => `"${name}"`).join(", ")}.` : "";
  return `The model "${model}" is not served here.${hint} GET /v1/models or \`flock model ls\` lists what is.`;
}

/** Claude Code reads the two numbers out of exactly this Anthropic wording and then compacts its history. */
function contextExceeded(model: string, promptTokens: number, contextTokens: number, surface: Surface): string {
  if (surface === "anthropic") return `prompt is too long: ${promptTokens} tokens > ${contextTokens} maximum`;
  return `The prompt has ${promptTokens} tokens; ${model} has a maximum context length of ${contextTokens} tokens. Shorten the messages or use a model with a larger context.`;
}

function inSeconds(ms: number): string {
  return `${Math.max(1, Math.ceil(ms / 1000))} s`;
}
