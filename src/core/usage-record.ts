export type Outcome = "ok" | "error" | "cancelled";

/**
 * One request, as it is kept. Times in ms, prices in millionths of a US dollar. One line of JSON in the usage journal,
 * one row of `usage`. The request id makes importing it twice harmless.
 */
export interface UsageRecord {
  readonly requestId: string;
  /** Epoch ms at which the request arrived. */
  readonly at: number;
  readonly userId: string;
  readonly keyId: string;
  /** The API that was spoken: `openai`, `anthropic`, … */
  readonly protocol: string;
  /** `/v1/chat/completions`, … */
  readonly endpoint: string;
  readonly requestedModel: string;
  /** Empty when no replica was chosen. */
  readonly servedModel: string;
  readonly node: string;
  readonly engine: string;
  readonly replica: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly latencyMs: number;
  /** Null: nothing was generated. */
  readonly ttftMs: number | null;
  readonly queueMs: number;
  readonly attempts: number;
  readonly routeReason: string;
  readonly priceMicros: number;
  readonly outcome: Outcome;
  /** A `FailureKind`, or "" when the outcome is ok. */
  readonly errorKind: string;
}
