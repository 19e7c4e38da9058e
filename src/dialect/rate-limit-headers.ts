import type { LimitStanding, LimitStandings } from "../core/limit-standing.ts";
import type { Surface } from "./failure-shape.ts";

/** Limits in the headers that the clients of each surface read. Ollama has none of its own; OpenAI's are the usual ones. */
export function addRateLimitHeaders(
  headers: Record<string, string>,
  surface: Surface,
  { requests, tokens }: LimitStandings,
  nowMs: number,
): void {
  if (surface !== "anthropic") {
    if (requests) addOpenAi(headers, "requests", requests);
    if (tokens) addOpenAi(headers, "tokens", tokens);
    return;
  }
  if (requests) addAnthropic(headers, "requests", requests, nowMs);
  if (!tokens) return;
  // One limit covers prompt and answer here: each kind is told the same.
  for (const kind of ["tokens", "input-tokens", "output-tokens"]) addAnthropic(headers, kind, tokens, nowMs);
}

function addOpenAi(headers: Record<string, string>, kind: string, { limit, remaining, resetMs }: LimitStanding): void {
  headers[`x-ratelimit-limit-${kind}`] = String(limit);
  headers[`x-ratelimit-remaining-${kind}`] = String(remaining);
  headers[`x-ratelimit-reset-${kind}`] = goDuration(resetMs);
}

function addAnthropic(
  headers: Record<string, string>,
  kind: string,
  { limit, remaining, resetMs }: LimitStanding,
  nowMs: number,
): void {
  const prefix = `anthropic-ratelimit-${kind}`;
  headers[`${prefix}-limit`] = String(limit);
  headers[`${prefix}-remaining`] = String(remaining);
  // Whole seconds, as Anthropic sends them; rounded up, so that it is true.
  headers[`${prefix}-reset`] = `${new Date(Math.ceil((nowMs + resetMs) / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** As OpenAI writes spans of time: `850ms`, `1s`, `1.5s`, `6m0s`, `17h3m9s`. */
export function goDuration(ms: number): string {
  if (ms <= 0) return "0s";
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  if (ms < 60_000) return `${Math.ceil(ms) / 1000}s`;
  const seconds = Math.ceil(ms / 1000);
  const hours = Math.floor(seconds / 3600);
  return `${hours > 0 ? `${hours}h` : ""}${Math.floor(seconds / 60) % 60}m${seconds % 60}s`;
}
