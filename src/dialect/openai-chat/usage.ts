import type { JsonObject } from "../../core/chat-request.ts";
import type { TokenUsage } from "../../core/token-usage.ts";
import type { OpenaiUsage } from "../../wire/openai-chat.ts";
import { isJsonObject } from "../../wire/parse-body.ts";

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

/** The same of what came out of `JSON.parse`; null: these are no counts. What the schema says, on the way of every answer. */
export function readUsage(value: unknown): TokenUsage | null {
  if (!isJsonObject(value)) return null;
  const { prompt_tokens, completion_tokens, prompt_tokens_details, completion_tokens_details } = value as OpenaiUsage;
  const cached = prompt_tokens_details?.cached_tokens;
  const reasoning = completion_tokens_details?.reasoning_tokens;
  const sound = isCount(prompt_tokens) && isCount(completion_tokens) && isCount(cached) && isCount(reasoning);
  return sound ? fromUsage(value) : null;
}

function isCount(value: number | null | undefined): boolean {
  return value === undefined || value === null || (Number.isInteger(value) && value >= 0);
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
