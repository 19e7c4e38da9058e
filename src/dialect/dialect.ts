import type { ChatAnswer } from "../core/chat-answer.ts";
import type { ChatEvent, StreamDecoder, StreamEncoder } from "../core/chat-event.ts";
import type { ChatRequest, JsonObject } from "../core/chat-request.ts";
import type { Failure } from "../core/failure.ts";
import type { Result } from "../core/result.ts";
import type { AnswerMeta } from "./answer-meta.ts";
import type { Surface } from "./failure-shape.ts";

/** One chat API in both directions. Pure: no I/O, no clock; decoders and encoders hold the state of one answer. */
export interface ChatDialect {
  readonly surface: Surface;
  /**
   * What a client asks. Fields that only tune cost or storage are passed over; what changes the answer and has no word
   * in the core vocabulary is refused by name, never dropped. For translation only: a passthrough can do more.
   */
  parseRequest(body: unknown): Result<ChatRequest, Failure>;
  /** What `parseRequest` passes over though it may change the answer, for `x-flock-adjusted`. */
  ignored?(body: unknown): readonly string[];
  /** What an engine of this dialect is asked. `model` is the request's: put the engine's own name in afterwards. */
  toRequestBody(request: ChatRequest): JsonObject;
  /** The events of a whole 2xx answer; they end in `done` or `failed`. */
  fromResponseBody(text: string): ChatEvent[];
  toResponseBody(answer: ChatAnswer, meta: AnswerMeta): JsonObject;
  decoder(): StreamDecoder;
  /** After `done` or `failed` it encodes nothing more. */
  encoder(meta: AnswerMeta): StreamEncoder;
  /** The text to send while nothing happens. */
  readonly keepAlive: string;
}
