import type { TokenLogprob } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import type { OpenaiCompletionLogprobs } from "../../wire/openai-completions.ts";
import { fromTokenLogprobs } from "../token-logprobs.ts";

export function fromLogprobs(wire: OpenaiCompletionLogprobs): TokenLogprob[] {
  if (wire.content) return fromTokenLogprobs(wire.content);
  return (wire.tokens ?? []).map((token, at) => ({
    token,
    logprob: wire.token_logprobs?.[at] ?? 0,
    bytes: null,
    top: Object.entries(wire.top_logprobs?.[at] ?? {}).map(([name, logprob]) => ({
      token: name,
      logprob,
      bytes: null,
    })),
  }));
}

/** The lists of OpenAI's first API. `offset`: how many characters of the answer came before. */
export function toLogprobs(logprobs: readonly TokenLogprob[], offset: number): JsonObject {
  let at = offset;
  const offsets = logprobs.map(({ token }) => {
    const start = at;
    at += characters(token);
    return start;
  });
  return {
    tokens: logprobs.map((one) => one.token),
    token_logprobs: logprobs.map((one) => one.logprob),
    top_logprobs: logprobs.map((one) => Object.fromEntries(one.top.map(({ token, logprob }) => [token, logprob]))),
    text_offset: offsets,
  };
}

/** As the API's clients count: code points, not UTF-16 units. */
export function characters(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
