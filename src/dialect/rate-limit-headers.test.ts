import { expect, test } from "bun:test";
import { addRateLimitHeaders, goDuration } from "./rate-limit-headers.ts";

const NOW = Date.UTC(2026, 0, 15, 12, 0, 0, 400);
const standings = {
  requests: { limit: 60, remaining: 59, resetMs: 1200 },
  tokens: { limit: 150_000, remaining: 149_984, resetMs: 360_000 },
};

test("OpenAI's names and spans of time, on its surfaces and Ollama's", () => {
  for (const surface of ["openai", "ollama"] as const) {
    const headers: Record<string, string> = {};
    addRateLimitHeaders(headers, surface, standings, NOW);
    expect(headers).toEqual({
      "x-ratelimit-limit-requests": "60",
      "x-ratelimit-remaining-requests": "59",
      "x-ratelimit-reset-requests": "1.2s",
      "x-ratelimit-limit-tokens": "150000",
      "x-ratelimit-remaining-tokens": "149984",
      "x-ratelimit-reset-tokens": "6m0s",
    });
  }
});

test("Anthropic's names and moments, which are never too early", () => {
  const headers: Record<string, string> = {};
  addRateLimitHeaders(headers, "anthropic", standings, NOW);
  expect(headers).toMatchObject({
    "anthropic-ratelimit-requests-limit": "60",
    "anthropic-ratelimit-requests-remaining": "59",
    "anthropic-ratelimit-requests-reset": "2026-01-15T12:00:02Z",
    "anthropic-ratelimit-tokens-limit": "150000",
    "anthropic-ratelimit-input-tokens-remaining": "149984",
    "anthropic-ratelimit-output-tokens-reset": "2026-01-15T12:06:01Z",
  });
  expect(Object.keys(headers).length).toBe(12);
});

test("limits that a key does not have are not named", () => {
  const headers: Record<string, string> = {};
  addRateLimitHeaders(headers, "openai", { requests: null, tokens: standings.tokens }, NOW);
  addRateLimitHeaders(headers, "anthropic", { requests: standings.requests, tokens: null }, NOW);
  expect(Object.keys(headers).map((name) => name.replace(/-(limit|remaining|reset)\b/, ""))).toEqual([
    ...Array<string>(3).fill("x-ratelimit-tokens"),
    ...Array<string>(3).fill("anthropic-ratelimit-requests"),
  ]);
});

test("spans of time as Go writes them", () => {
  const spans = [0, 1, 850, 999.2, 1000, 1001, 59_999.5, 60_000, 61_001, 3_600_000, 86_400_000];
  expect(spans.map(goDuration)).toEqual([
    "0s",
    "1ms",
    "850ms",
    "1000ms",
    "1s",
    "1.001s",
    "60s",
    "1m0s",
    "1m2s",
    "1h0m0s",
    "24h0m0s",
  ]);
});
