/** `count` pairs of start (inclusive) and end (exclusive). */
export interface ChunkSpans {
  readonly offsets: Int32Array;
  readonly count: number;
}

/** Who takes the pieces of a body in the moment in which they come. `end` comes once, and nothing after it. */
export interface BodySink {
  piece(bytes: Uint8Array): void;
  /**
   * Instead of `piece`, where all that came is whole chunks of HTTP/1.1's chunked coding: the chunks as they came, and where
   * their data lies in them (start and end of each in turn; only read during the call). False: it wants them as pieces.
   */
  chunks?(bytes: Uint8Array, spans: ChunkSpans): boolean;
  /** False: the connection broke before the body was whole. */
  end(whole: boolean): void;
}

/** A body that is pushed rather than pulled: no promise for each piece. */
export interface PushedBody {
  /** Once at most, and instead of `text`, `arrayBuffer` and `body`. What came before is given at once. */
  consume(sink: BodySink): void;
  /** No more pieces until `resume`: the sender feels it. */
  pause(): void;
  resume(): void;
  /** Hangs up; the sink hears nothing any more. */
  cancel(): void;
}

/** An engine's answer once its head is there. A `Response` is one. */
export interface EngineAnswer {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: { get(name: string): string | null };
  readonly body: ReadableStream<Uint8Array> | null;
  /** Rejects when the connection breaks. */
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
  /** Rejects, too, when it is not JSON. */
  json(): Promise<unknown>;
  /** Where the way to the engine can push; a `Response` cannot. */
  readonly pushed?: PushedBody;
}
