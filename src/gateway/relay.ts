import type { ChunkSpans } from "../core/engine-answer.ts";
import type { Failure } from "../core/failure.ts";
import type { Result } from "../core/result.ts";
import type { TokenUsage } from "../core/token-usage.ts";
import type { Choice } from "./ports.ts";

/** What has been seen of an answer so far. */
export interface RelayProgress {
  /** The first piece of content passed: from here on no other replica may be tried. */
  readonly contentSeen: boolean;
  /** Output tokens so far: frames of content, until the engine's own count comes with `usage`. */
  readonly outputTokens: number;
  /** The engine's own count; null until it came. */
  readonly usage: TokenUsage | null;
  /** The answer is whole: nothing of it is missing, whatever the connection does now. */
  readonly finished: boolean;
  /** The engine said that it failed, or its stream made no sense. */
  readonly failure: Failure | null;
}

/** One streamed answer on its way through. Engine bytes in, whole frames for the client out (null: nothing yet). */
export interface StreamRelay {
  readonly progress: RelayProgress;
  push(chunk: Uint8Array): Uint8Array | null;
  /**
   * Notes bytes that may go on to the client untouched: whole frames of content, all lying in `spans`. False: they need
   * `push`, and nothing was noted.
   */
  pass?(bytes: Uint8Array, spans: ChunkSpans): boolean;
  /** The engine closed its stream. What is left to send; sets `failure` when the answer was not finished. */
  end(): Uint8Array | null;
  /** The dialect's own last frame for a failure after the status was sent. */
  fail(failure: Failure): Uint8Array;
  /** Ends the answer here as if its length limit were reached. */
  cutShort(): Uint8Array;
}

export interface WholeAnswer {
  readonly body: Uint8Array | string;
  readonly usage: TokenUsage | null;
}

export interface PlannedCall {
  readonly path: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
  /** Absent: JSON. */
  readonly contentType?: string;
  /** What was changed of the request, for `x-flock-adjusted`. */
  readonly adjusted?: readonly string[];
  /** Asked what is wrong with the client's own request, where the engine failed over a body that nobody here looked into. */
  readonly client?: Mistaken;
}

export interface Mistaken {
  mistake(): Failure | null;
}

/** How one request crosses to an engine that answers in one piece. */
export interface WholeRelay {
  plan(choice: Choice): Result<PlannedCall, Failure>;
  /** The client's body from an engine's whole 2xx body. */
  whole(body: Uint8Array, choice: Choice): Result<WholeAnswer, Failure>;
}

/**
 * How one chat crosses from the client's dialect to the engine's and back: bytes passed through where both are the same,
 * translated otherwise. `plan` and `stream` once for each attempt.
 */
export interface ChatRelay extends WholeRelay {
  stream(choice: Choice): StreamRelay;
}

/** The relay of one request, made once. */
export interface Relay extends ChatRelay {
  /** The client gets a stream. */
  readonly streaming: boolean;
  /** The engine is asked for a stream; with `streaming` false the pieces are added up here. */
  readonly engineStreams: boolean;
  /** The answer has begun and no other replica is asked: nothing of the client's request is needed any more. */
  letGo?(): void;
  /** The stream's only frame when the status was sent, but no replica ever began to answer. */
  failBeforeStart(failure: Failure): Uint8Array;
}
