import type { TokenLogprob } from "../core/chat-event.ts";
import type { TokenLogprobs } from "../wire/token-logprobs.ts";

export function fromTokenLogprobs(logprobs: TokenLogprobs): TokenLogprob[] {
  return logprobs.map(({ token, logprob, bytes, top_logprobs: top }) => ({
    token,
    logprob,
    bytes: bytes ?? null,
    top: (top ?? []).map((one) => ({ token: one.token, logprob: one.logprob, bytes: one.bytes ?? null })),
  }));
}
