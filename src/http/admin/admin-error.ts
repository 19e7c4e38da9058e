import type { Context, TypedResponse } from "hono";
import type { ClientErrorStatusCode, ServerErrorStatusCode } from "hono/utils/http-status";
import type { AdminFailure } from "./deps.ts";

/** The body of every answer that is not a success. */
export interface AdminErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly code: string;
    /** The command that mends it. */
    readonly mend?: string | undefined;
    readonly field?: string | undefined;
    readonly capability?: string | undefined;
  };
}

type ErrorStatus = 400 | 401 | 403 | 404 | 409 | 413 | 429 | 500 | 501 | 502 | 503 | 504;

/** As the routes declare it (`4XX`, `5XX`), so that one line serves them all and a typed client stays cheap to check. */
export type RefusedResponse =
  | (Response & TypedResponse<AdminErrorBody, ClientErrorStatusCode, "json">)
  | (Response & TypedResponse<AdminErrorBody, ServerErrorStatusCode, "json">);

const TABLE = {
  unauthenticated: [401, "invalid_api_key"],
  forbidden: [403, "insufficient_permissions"],
  invalid_request: [400, "invalid_request"],
  too_large: [413, "request_too_large"],
  unknown_model: [404, "model_not_found"],
  context_exceeded: [400, "context_length_exceeded"],
  unsupported: [501, "not_implemented"],
  rate_limited: [429, "rate_limit_exceeded"],
  quota_exceeded: [429, "insufficient_quota"],
  queue_full: [429, "queue_full"],
  engine_unreachable: [503, "engine_unreachable"],
  engine_failed: [502, "engine_failed"],
  engine_timeout: [504, "engine_timeout"],
  cancelled: [409, "cancelled"],
  internal: [500, "internal_error"],
  unknown_response: [404, "not_found"],
  not_found: [404, "not_found"],
  conflict: [409, "conflict"],
  store_unavailable: [503, "store_unavailable"],
} as const satisfies Record<AdminFailure["kind"], readonly [ErrorStatus, string]>;

export const NEW_ADMIN_KEY = "flock token create --admin";

/** The one place where a failure becomes an answer of the admin API. */
export function toAdminError(failure: AdminFailure): {
  status: ErrorStatus;
  body: AdminErrorBody;
  retryAfterMs: number | null;
} {
  const [status, code] = TABLE[failure.kind];
  const base = { type: failure.kind, code };
  return {
    status,
    body: { error: { message: messageOf(failure), ...base, ...detailsOf(failure) } },
    retryAfterMs: "retryAfterMs" in failure ? failure.retryAfterMs : null,
  };
}

function detailsOf(failure: AdminFailure): { mend?: string; field?: string; capability?: string } {
  switch (failure.kind) {
    case "unauthenticated":
      return { mend: NEW_ADMIN_KEY };
    case "forbidden":
    case "not_found":
    case "conflict":
    case "store_unavailable":
      return failure.mend === undefined ? {} : { mend: failure.mend };
    case "invalid_request":
      return failure.field === null ? {} : { field: failure.field };
    case "unknown_model":
      return { mend: "flock model ls" };
    case "unsupported":
      return { capability: failure.capability };
    case "engine_unreachable":
      return { mend: failure.start };
    default:
      return {};
  }
}

function messageOf(failure: AdminFailure): string {
  switch (failure.kind) {
    case "unauthenticated":
      return failure.reason;
    case "forbidden":
      return `This key lacks a right: ${failure.what}.`;
    case "invalid_request":
    case "unsupported":
    case "rate_limited":
    case "conflict":
    case "store_unavailable":
      return failure.message;
    case "too_large":
      return `The body is larger than ${failure.limitBytes} bytes.`;
    case "unknown_model":
      if (failure.standsFor !== undefined)
        return `${failure.model} stands for ${failure.standsFor}, which is not loaded.`;
      return failure.nearest.length === 0
        ? `There is no model ${failure.model}.`
        : `There is no model ${failure.model}. Nearest: ${failure.nearest.join(", ")}.`;
    case "unknown_response":
      return `There is no response ${failure.id}.`;
    case "context_exceeded":
      return `${failure.promptTokens} tokens do not fit ${failure.model}, which takes ${failure.contextTokens}.`;
    case "quota_exceeded":
      return `The daily quota is used up: ${failure.usedTokens} of ${failure.limitTokens} tokens.`;
    case "queue_full":
      return `The queue for ${failure.model} is full.`;
    case "engine_unreachable":
      return `Engine ${failure.engine} does not answer at ${failure.endpoint}.`;
    case "engine_failed":
      return `Engine ${failure.engine} failed: ${failure.cause}.`;
    case "engine_timeout":
      return `Engine ${failure.engine} gave no answer within ${failure.waitedMs} ms.`;
    case "cancelled":
      return "The request was cancelled.";
    case "internal":
      return `Something broke inside Flock. The log has the cause under ${failure.id}.`;
    default:
      return `There is no ${failure.what}.`;
  }
}

/** Renders a failure in a handler. */
export function refuse(c: Context, failure: AdminFailure): RefusedResponse {
  const { status, body, retryAfterMs } = toAdminError(failure);
  if (retryAfterMs !== null) c.header("retry-after", String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  return c.json(body, status);
}
