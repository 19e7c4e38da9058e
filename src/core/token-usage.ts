/** Tokens of one answer. `promptTokens` INCLUDES the cached ones (OpenAI's convention; Anthropic's excludes them). */
export interface TokenUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** How many prompt tokens the engine took from its KV cache; at most `promptTokens`. */
  readonly cachedTokens: number;
  /** Thinking tokens, where the engine tells them; part of `completionTokens`. */
  readonly reasoningTokens?: number;
}

export const NO_TOKENS: TokenUsage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 };

/** What several answers to one request took together. */
export function sumUsage(parts: readonly TokenUsage[]): TokenUsage {
  const sum = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 };
  for (const part of parts) {
    sum.promptTokens += part.promptTokens;
    sum.completionTokens += part.completionTokens;
    sum.cachedTokens += part.cachedTokens;
  }
  return sum;
}
