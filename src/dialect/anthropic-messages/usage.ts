import type { JsonObject } from "../../core/chat-request.ts";
import { NO_TOKENS, type TokenUsage } from "../../core/token-usage.ts";
import type { AnthropicUsage } from "../../wire/anthropic-messages.ts";

/** Anthropic's `input_tokens` leave the cached ones out; ours (and OpenAI's) have them in. */
export function fromUsage(usage: AnthropicUsage, earlier: TokenUsage = NO_TOKENS): TokenUsage {
  const counts = [usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens];
  const told = typeof usage.input_tokens === "number";
  return {
    // The closing report may say the output only.
    promptTokens: told ? counts.reduce<number>((sum, count) => sum + (count ?? 0), 0) : earlier.promptTokens,
    completionTokens: usage.output_tokens ?? earlier.completionTokens,
    cachedTokens: told ? (usage.cache_read_input_tokens ?? 0) : earlier.cachedTokens,
  };
}

/** The nullable members are there: the SDK's types promise them, and clients read them unchecked. */
export function toUsage(usage: TokenUsage): JsonObject {
  return {
    input_tokens: Math.max(0, usage.promptTokens - usage.cachedTokens),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cachedTokens,
    cache_creation: null,
    output_tokens: usage.completionTokens,
    output_tokens_details: usage.reasoningTokens === undefined ? null : { thinking_tokens: usage.reasoningTokens },
    server_tool_use: null,
    service_tier: null,
  };
}
