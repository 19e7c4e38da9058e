import type { BodySink, EngineAnswer, PushedBody } from "../core/engine-answer.ts";

/** The answer's body as pushes, also where it can only be pulled. */
export function pushedBody(answer: EngineAnswer): PushedBody | null {
  if (answer.pushed) return answer.pushed;
  return answer.body === null ? null : new PumpedBody(answer.body);
}

/** A pulled stream, pumped: the next piece is asked for when the last was taken and nobody paused. */
class PumpedBody implements PushedBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #gate: PromiseWithResolvers<void> | null = null;
  #over = false;

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  consume(sink: BodySink): void {
    void this.#pump(sink);
  }

  pause(): void {
    this.#gate ??= Promise.withResolvers<void>();
  }

  resume(): void {
    this.#gate?.resolve();
    this.#gate = null;
  }

  cancel(): void {
    this.#over = true;
    this.resume();
    this.#reader.cancel().catch(() => undefined);
  }

  async #pump(sink: BodySink): Promise<void> {
    for (;;) {
      if (this.#gate) await this.#gate.promise;
      const read = await this.#reader.read().catch(() => null);
      if (this.#over) return;
      if (read === null || read.done) {
        sink.end(read !== null);
        return;
      }
      sink.piece(read.value);
    }
  }
}
