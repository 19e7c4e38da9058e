import type { ChatAnswer } from "../core/chat-answer.ts";
import type { ChatEvent, StreamDecoder, StreamEncoder } from "../core/chat-event.ts";
import type { JsonObject } from "../core/chat-request.ts";
import type { CompletionRequest } from "../core/completion-request.ts";
import type { Failure } from "../core/failure.ts";
import type { Result } from "../core/result.ts";
import type { AnswerMeta } from "./answer-meta.ts";
import type { Surface } from "./failure-shape.ts";

/**
 * One API that completes a text, in both directions. The same promises as `ChatDialect`: pure, nothing dropped in
 * silence, one `done` or `failed` at the end.
 */
export interface CompletionDialect {
  readonly surface: Surface;
  /** For translation only: a passthrough can do more. */
  parseRequest(body: unknown): Result<CompletionRequest, Failure>;
  /** What an engine of this dialect is asked. `model` is the request's: put the engine's own name in afterwards. */
  toRequestBody(request: CompletionRequest): JsonObject;
  /** The events of a whole 2xx answer; they end in `done` or `failed`. */
  fromResponseBody(text: string): ChatEvent[];
  toResponseBody(answer: ChatAnswer, meta: AnswerMeta): JsonObject;
  decoder(): StreamDecoder;
  /** After `done` or `failed` it encodes nothing more. */
  encoder(meta: AnswerMeta): StreamEncoder;
  /** The text to send while nothing happens. */
  readonly keepAlive: string;
}
