import type { ChatAnswer } from "../core/chat-answer.ts";
import type { ChatEvent, StreamDecoder, StreamEncoder } from "../core/chat-event.ts";
import type { JsonObject } from "../core/chat-request.ts";
import type { CompletionAsk, CompletionRequest } from "../core/completion-request.ts";
import type { Failure } from "../core/failure.ts";
import type { Result } from "../core/result.ts";
import type { AnswerMeta } from "./answer-meta.ts";
import type { Surface } from "./failure-shape.ts";

/** Where one choice stands in a stream of several, which come one after the other. */
export interface StreamedChoice {
  readonly index: number;
  /** Its end is the stream's: usage and end mark follow. */
  readonly last: boolean;
}

export const ONLY_CHOICE: StreamedChoice = { index: 0, last: true };

/**
 * One API that completes a text, in both directions. The same promises as `ChatDialect`: pure, nothing dropped in
 * silence, one `done` or `failed` at the end.
 */
export interface CompletionDialect {
  readonly surface: Surface;
  parseRequest(body: unknown): Result<CompletionAsk, Failure>;
  /** What an engine of this dialect is asked. `model` is the request's: put the engine's own name in afterwards. */
  toRequestBody(request: CompletionRequest): JsonObject;
  /** The events of a whole 2xx answer; they end in `done` or `failed`. */
  fromResponseBody(text: string): ChatEvent[];
  /** One body of all choices, in their order. */
  toResponseBody(answers: readonly ChatAnswer[], meta: AnswerMeta): JsonObject;
  decoder(): StreamDecoder;
  /** Of one choice. After `done` or `failed` it encodes nothing more. */
  encoder(meta: AnswerMeta, choice?: StreamedChoice): StreamEncoder;
  /** The text to send while nothing happens. */
  readonly keepAlive: string;
}
