import type { JsonObject } from "../../core/chat-request.ts";
import type { TokenUsage } from "../../core/token-usage.ts";
import type { OllamaAnswer } from "../../wire/ollama.ts";

const NS_PER_MS = 1_000_000;

/** Null where the line tells nothing. Ollama leaves out counts of 0, and never says what came from its cache. */
export function fromUsage(answer: OllamaAnswer): TokenUsage | null {
  const { prompt_eval_count: prompt, eval_count: completion } = answer;
  if (typeof prompt !== "number" && typeof completion !== "number") return null;
  return { promptTokens: prompt ?? 0, completionTokens: completion ?? 0, cachedTokens: 0 };
}

/** How long an answer took. */
export interface Timings {
  readonly totalMs: number;
  /** Until the first piece of the answer; null: it came in one piece. */
  readonly promptMs: number | null;
}

/**
 * The members of the last line; `timings` null: nobody measured. All are there, 0 where unknown: clients add and divide them unchecked. A measured
 * duration is at least 1 ns, since tokens per second are `eval_count / eval_duration`.
 */
export function toMetrics(usage: TokenUsage, timings: Timings | null): JsonObject {
  const ns = (ms: number | null | undefined): number => (typeof ms === "number" ? Math.max(1, ms * NS_PER_MS) : 0);
  return {
    total_duration: ns(timings?.totalMs),
    load_duration: 0,
    prompt_eval_count: usage.promptTokens,
    prompt_eval_duration: ns(timings?.promptMs),
    eval_count: usage.completionTokens,
    eval_duration: ns(timings && timings.totalMs - (timings.promptMs ?? 0)),
  };
}
