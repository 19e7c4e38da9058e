import type { JsonObject } from "../../core/chat-request.ts";
import type { TokenUsage } from "../../core/token-usage.ts";
import type { OpenaiUsage } from "../../wire/openai-chat.ts";

export function fromUsage(usage: OpenaiUsage): TokenUsage {
  const promptTokens = usage.prompt_tokens ?? 0;
  const reasoningTokens = usage.completion_tokens_details?.reasoning_tokens;
  return {
    promptTokens,
    completionTokens: usage.completion_tokens ?? 0,
    cachedTokens: Math.min(promptTokens, usage.prompt_tokens_details?.cached_tokens ?? 0),
    ...(typeof reasoningTokens === "number" ? { reasoningTokens } : {}),
  };
}

export function toUsage(usage: TokenUsage): JsonObject {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
    ...(usage.reasoningTokens === undefined
      ? {}
      : { completion_tokens_details: { reasoning_tokens: usage.reasoningTokens } }),
  };
}
