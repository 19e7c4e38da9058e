import type { Key } from "./api/tokens.ts";
import { count } from "./format.ts";

/** A key's limits in a few words. */
export function keyLimits(key: Key): string {
  const { daily_tokens, requests_per_minute, tokens_per_minute, concurrency } = key.limits;
  const limits = [
    daily_tokens > 0 ? `${count(daily_tokens)} tokens/day` : "",
    requests_per_minute > 0 ? `${count(requests_per_minute)} requests/min` : "",
    tokens_per_minute > 0 ? `${count(tokens_per_minute)} tokens/min` : "",
    concurrency > 0 ? `${count(concurrency)} at once` : "",
    key.models.length > 0 ? `only ${key.models.join(" ")}` : "",
    key.local_only ? "local only" : "",
  ].filter((limit) => limit !== "");
  return limits.length === 0 ? "no limits" : limits.join(", ");
}

export function keyState(key: Key, now: number): "active" | "revoked" | "expired" {
  if (key.revoked_at !== null) return "revoked";
  return key.expires_at !== null && key.expires_at <= now ? "expired" : "active";
}
