import type { JsonObject } from "../../core/chat-request.ts";
import type { CompletionRequest } from "../../core/completion-request.ts";
import { toRequestBody } from "../openai-completions/request.ts";

/** llama-server takes about three quarters of a batch of 2,048 tokens before the gap, and the rest behind it. */
const KEPT_BEFORE = 1536;
const KEPT_BEHIND = 512;

/** The body of llama-server's `POST /infill`: it knows the marks of the gap. */
export function toInfillBody(request: CompletionRequest & { readonly prompt: string }, extra: JsonObject): JsonObject {
  const { prompt, suffix, logprobs, stream_options: _unread, ...rest } = toRequestBody(request, extra);
  return {
    ...rest,
    input_prefix: prompt ?? "",
    input_suffix: suffix ?? "",
    ...(typeof logprobs === "number" ? { n_probs: logprobs } : {}),
  };
}

/** What the engine may leave out of a long text around the gap, for `x-flock-adjusted`; a token has a byte at least. */
export function infillCuts({ prompt, suffix = "" }: CompletionRequest & { readonly prompt: string }): string[] {
  const long = Buffer.byteLength(prompt) > KEPT_BEFORE || Buffer.byteLength(suffix) > KEPT_BEHIND;
  return long ? ["the engine reads what is nearest to the gap: a batch of tokens at most"] : [];
}
