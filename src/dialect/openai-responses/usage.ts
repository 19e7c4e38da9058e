import type { JsonObject } from "../../core/chat-request.ts";
import type { TokenUsage } from "../../core/token-usage.ts";
import type { ResponsesUsage } from "../../wire/openai-responses-answer.ts";

export function fromUsage(usage: ResponsesUsage): TokenUsage {
  const promptTokens = usage.input_tokens ?? 0;
  const reasoningTokens = usage.output_tokens_details?.reasoning_tokens;
  return {
    promptTokens,
    completionTokens: usage.output_tokens ?? 0,
    cachedTokens: Math.min(promptTokens, usage.input_tokens_details?.cached_tokens ?? 0),
    // Servers say 0 where they do not count it: the member is not optional.
    ...(reasoningTokens ? { reasoningTokens } : {}),
  };
}

/** All members are there always: the clients' types have none of them optional. */
export function toUsage(usage: TokenUsage): JsonObject {
  return {
    input_tokens: usage.promptTokens,
    input_tokens_details: { cached_tokens: usage.cachedTokens, cache_write_tokens: 0 },
    output_tokens: usage.completionTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    total_tokens: usage.promptTokens + usage.completionTokens,
  };
}
