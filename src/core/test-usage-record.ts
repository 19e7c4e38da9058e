import type { UsageRecord } from "./usage-record.ts";

/** For tests: what became of a request that was answered. */
export function usageRecord(requestId: string, changes: Partial<UsageRecord> = {}): UsageRecord {
  return {
    requestId,
    at: Date.UTC(2026, 0, 15, 12),
    userId: "user_1",
    keyId: "key_1",
    protocol: "openai",
    endpoint: "/v1/chat/completions",
    requestedModel: "auto",
    servedModel: "flock-tiny",
    node: "here",
    engine: "embedded",
    replica: "here/embedded/flock-tiny",
    promptTokens: 10,
    completionTokens: 5,
    cachedTokens: 2,
    latencyMs: 120.4,
    ttftMs: 30,
    queueMs: 0,
    attempts: 1,
    routeReason: "auto",
    priceMicros: 7,
    outcome: "ok",
    errorKind: "",
    ...changes,
  };
}
