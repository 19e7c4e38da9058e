/** What limits a request can run into; the names appear in error texts and in `usage.error_kind`. */
export type LimitName = "daily_tokens" | "requests_per_minute" | "tokens_per_minute" | "concurrency";

/**
 * Everything that can go wrong with a client's request. Each edge renders it from one table
 * (`dialect/failure-shape.ts`); nothing else decides on a status. Texts here reach the client: never put a secret,
 * a path of the server or another tenant's name into one.
 */
export type Failure =
  | { readonly kind: "unauthenticated"; readonly reason: string }
  /** `what` names the missing right, e.g. `admin scope` or `model qwen3-8b`. */
  | { readonly kind: "forbidden"; readonly what: string; readonly mend?: string }
  | { readonly kind: "invalid_request"; readonly field: string | null; readonly message: string }
  | { readonly kind: "too_large"; readonly limitBytes: number }
  | {
      readonly kind: "unknown_model";
      readonly model: string;
      readonly nearest: readonly string[];
      /** What the name leads to as an alias; that is not loaded. */
      readonly standsFor?: string;
      /** The command that brings it, where it is known what it is. */
      readonly add?: string;
    }
  /** Not kept for this key, or not any more. */
  | { readonly kind: "unknown_response"; readonly id: string }
  | {
      readonly kind: "context_exceeded";
      readonly model: string;
      readonly promptTokens: number;
      readonly contextTokens: number;
    }
  /** `endpoint: true` when nothing under this path can be served at all. */
  | { readonly kind: "unsupported"; readonly capability: string; readonly endpoint: boolean; readonly message: string }
  | {
      readonly kind: "rate_limited";
      readonly limit: LimitName;
      readonly message: string;
      readonly retryAfterMs: number;
    }
  | {
      readonly kind: "quota_exceeded";
      readonly limitTokens: number;
      readonly usedTokens: number;
      /** What the request needs at least. */
      readonly neededTokens?: number;
      /** Only what runs at the moment stands in the way. */
      readonly busy?: true;
      readonly retryAfterMs: number;
    }
  | {
      readonly kind: "queue_full";
      readonly model: string;
      readonly retryAfterMs: number;
      /** It had a place in the queue, and waited this long in vain. */
      readonly waitedMs?: number;
    }
  | {
      readonly kind: "engine_unreachable";
      readonly engine: string;
      readonly endpoint: string;
      /** The command that starts it, e.g. `ollama serve`. */
      readonly start: string;
    }
  | {
      readonly kind: "engine_failed";
      readonly engine: string;
      readonly cause: string;
      /** The command that helps, where one is known. */
      readonly mend?: string;
    }
  | { readonly kind: "engine_timeout"; readonly engine: string; readonly waitedMs: number }
  /** The client went away. Never rendered; it stands in usage records as outcome `cancelled`. */
  | { readonly kind: "cancelled" }
  /** A bug. The client sees the id only; the log has the cause under the same id. */
  | { readonly kind: "internal"; readonly id: string };

export type FailureKind = Failure["kind"];

/** For code that does not know which engine it reads from; the gateway puts the engine's name in. */
export function engineFailure(cause: string): Failure {
  return { kind: "engine_failed", engine: "engine", cause };
}
