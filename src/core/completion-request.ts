import type { JsonObject, Sampling } from "./chat-request.ts";

/**
 * A text to go on with, taken as it is: no chat template, no roles. It is no chat with one message: the template would
 * change what the model is asked. The answer is told in `ChatEvent`s, of which only text ones carry content.
 */
export interface CompletionRequest {
  /** The name that the client asked for; answers carry it back. */
  readonly model: string;
  /** Text, or the numbers of the model's own tokens. */
  readonly prompt: string | readonly number[];
  /** What stands behind the gap to be filled (fill-in-the-middle). */
  readonly suffix?: string;
  readonly stream: boolean;
  /** Only for streams: the client wants the closing usage report. */
  readonly includeUsage: boolean;
  readonly maxOutputTokens?: number;
  readonly stop: readonly string[];
  readonly sampling: Sampling;
  /** Absent: no log probabilities. `top` alternatives for each token. */
  readonly logprobs?: { readonly top: number };
  /** What the client names its end user or session, for stickiness. */
  readonly user?: string;
  readonly cacheKey?: string;
}

/** What one call of a completions API asks: several prompts, several answers to each. */
export interface CompletionAsk {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** One for each choice of the answer, in its order; at least one. */
  readonly choices: readonly CompletionRequest[];
  /** Each choice begins with its prompt. */
  readonly echo: boolean;
  /** Fields that have no word here: an engine that speaks the client's dialect gets them as they came. */
  readonly extra: JsonObject;
  /** What of the request has no effect, for `x-flock-adjusted`. */
  readonly adjusted: readonly string[];
}
