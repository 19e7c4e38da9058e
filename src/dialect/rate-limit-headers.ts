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
    if (requests) addOpenAi(headers, OPENAI_REQUESTS, requests);
    if (tokens) addOpenAi(headers, OPENAI_TOKENS, tokens);
    return;
  }
  if (requests) addAnthropic(headers, ANTHROPIC_REQUESTS, requests, nowMs);
  if (!tokens) return;
  // One limit covers prompt and answer here: each kind is told the same.
  for (const names of ANTHROPIC_TOKENS) addAnthropic(headers, names, tokens, nowMs);
}

interface Names {
  readonly limit: string;
  readonly remaining: string;
  readonly reset: string;
}

function openAi(kind: string): Names {
  const prefix = "x-ratelimit";
  return {
    limit: `${prefix}-limit-${kind}`,
    remaining: `${prefix}-remaining-${kind}`,
    reset: `${prefix}-reset-${kind}`,
  };
}

function anthropic(kind: string): Names {
  const prefix = `anthropic-ratelimit-${kind}`;
  return { limit: `${prefix}-limit`, remaining: `${prefix}-remaining`, reset: `${prefix}-reset` };
}

// Made once: a name that is put together for each answer costs more than all else here.
const OPENAI_REQUESTS = openAi("requests");
const OPENAI_TOKENS = openAi("tokens");
const ANTHROPIC_REQUESTS = anthropic("requests");
const ANTHROPIC_TOKENS = ["tokens", "input-tokens", "output-tokens"].map(anthropic);

function addOpenAi(headers: Record<string, string>, names: Names, { limit, remaining, resetMs }: LimitStanding): void {
  headers[names.limit] = String(limit);
  headers[names.remaining] = String(remaining);
  headers[names.reset] = goDuration(resetMs);
}

function addAnthropic(
  headers: Record<string, string>,
  names: Names,
  { limit, remaining, resetMs }: LimitStanding,
  nowMs: number,
): void {
  headers[names.limit] = String(limit);
  headers[names.remaining] = String(remaining);
  // Whole seconds, as Anthropic sends them; rounded up, so that it is true.
  headers[names.reset] = `${new Date(Math.ceil((nowMs + resetMs) / 1000) * 1000).toISOString().slice(0, 19)}Z`;
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
