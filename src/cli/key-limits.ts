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
    key.priority === "batch" ? "batch" : "",
  ].filter((limit) => limit !== "");
  return limits.length === 0 ? "no limits" : limits.join(", ");
}

/** `4,321 of 100,000`: what a key has used of its day. */
export function usedToday(key: Key): string {
  const quota = key.limits.daily_tokens;
  return quota === 0 ? count(key.used_today) : `${count(key.used_today)} of ${count(quota)}`;
}

export function keyState(key: Key, now: number): "active" | "revoked" | "expired" {
  if (key.revoked_at !== null) return "revoked";
  return key.expires_at !== null && key.expires_at <= now ? "expired" : "active";
}
