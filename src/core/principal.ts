export type Scope = "admin" | "user" | "node";

/** Who goes first where requests wait: people at a keyboard before jobs that nobody watches. */
export type Priority = "interactive" | "batch";

/** 0 means unlimited, everywhere. */
export interface KeyLimits {
  /** Prompt plus completion tokens per UTC day. */
  readonly dailyTokens: number;
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  /** Requests in flight at once. */
  readonly concurrency: number;
}

export const UNLIMITED: KeyLimits = { dailyTokens: 0, requestsPerMinute: 0, tokensPerMinute: 0, concurrency: 0 };

/** Who is asking: an authenticated key, or `anonymous` where keys are switched off. Holds no secret. */
export interface Principal {
  /** Id of the key (`key_…`), or `anonymous`. Limits and usage are kept under it. */
  readonly keyId: string;
  readonly keyName: string;
  /** The user who owns the key. */
  readonly userId: string;
  readonly scope: Scope;
  readonly limits: KeyLimits;
  /** Ids, aliases and patterns (`qwen3-*`) of the models this key may use; empty: all. */
  readonly models: readonly string[];
  /** Never let a request of this key leave the building. */
  readonly localOnly: boolean;
  readonly priority: Priority;
  /** Epoch ms after which the key is refused; null: never. */
  readonly expiresAt: number | null;
}

/** Stands in where `auth.require_keys` is false (loopback only). */
export const ANONYMOUS: Principal = {
  keyId: "anonymous",
  keyName: "anonymous",
  userId: "anonymous",
  scope: "admin",
  limits: UNLIMITED,
  models: [],
  localOnly: true,
  priority: "interactive",
  expiresAt: null,
};
