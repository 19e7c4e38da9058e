import type { CancelSignal } from "../core/cancellation.ts";
import type { BodySink, ChunkSpans, EngineAnswer, PushedBody } from "../core/engine-answer.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { HeaderFields } from "./head.ts";

/** Why there is no answer. `refused`: nobody listens, nothing was sent. `broken`: it may have been read, or not. */
export type NoAnswer = { readonly kind: "refused" | "broken" | "cancelled"; readonly cause: string };

/** What an exchange asks of its connection. */
export interface ExchangeWire {
  pause(): void;
  resume(): void;
  /** Ends the connection: the other side hears it. */
  hangUp(): void;
}

/** What a connection tells an exchange. */
export interface ExchangeEnd {
  /** 0 until the head came. */
  readonly status: number;
  readonly takesChunks: boolean;
  attach(wire: ExchangeWire): void;
  head(status: number, fields: HeaderFields): void;
  piece(bytes: Uint8Array): void;
  chunks(bytes: Uint8Array, spans: ChunkSpans): boolean;
  end(whole: boolean, failure?: NoAnswer): void;
}

/** Held back at most while nobody takes the pieces; then the connection is paused. */
const MAX_HELD_BYTES = 256 * 1024;

/** One request's answer, as its connection brings it. */
export class Exchange<Why> implements EngineAnswer, PushedBody, ExchangeEnd {
  readonly answered: Promise<Result<EngineAnswer, Why>>;
  status = 0;
  readonly #explain: (why: NoAnswer) => Why;
  #resolve: ((answer: Result<EngineAnswer, Why>) => void) | null = null;
  #fields: HeaderFields | null = null;
  #wire: ExchangeWire | null = null;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #sink: BodySink | null = null;
  #body: ReadableStream<Uint8Array> | null = null;
  /** Null while it runs; then whether the body came whole. */
  #ended: boolean | null = null;
  readonly #signal: CancelSignal;
  readonly #cancelled = (): void => this.#abort();

  /** `explain` says in the caller's words why there is no answer. */
  constructor(signal: CancelSignal, explain: (why: NoAnswer) => Why) {
    this.#explain = explain;
    this.#signal = signal;
    this.answered = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    signal.addEventListener("abort", this.#cancelled, { once: true });
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  get headers(): { get(name: string): string | null } {
    return this;
  }

  get(name: string): string | null {
    return this.#fields?.get(name) ?? null;
  }

  get pushed(): PushedBody {
    return this;
  }

  /** Whether it was cancelled or refused before a connection took it. */
  get over(): boolean {
    return this.#ended !== null;
  }

  /** From the connection: it is on its way. */
  attach(wire: ExchangeWire): void {
    this.#wire = wire;
  }

  /** From the connection: the head came. */
  head(status: number, fields: HeaderFields): void {
    this.status = status;
    this.#fields = fields;
    this.#resolve?.(ok(this));
    this.#resolve = null;
  }

  /** From the connection: a piece of the body. */
  piece(bytes: Uint8Array): void {
    if (this.#sink !== null) {
      this.#sink.piece(bytes);
      return;
    }
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > MAX_HELD_BYTES) this.#wire?.pause();
  }

  /** From the connection: whole chunks of the body, as they came. False: it wants pieces. */
  chunks(bytes: Uint8Array, spans: ChunkSpans): boolean {
    return this.#sink?.chunks?.(bytes, spans) ?? false;
  }

  /** Whether `chunks` may take any. */
  get takesChunks(): boolean {
    return this.#sink?.chunks !== undefined;
  }

  /** From the connection: nothing more comes. Only the first call counts. */
  end(whole: boolean, failure: NoAnswer = BROKEN): void {
    if (this.#ended !== null) return;
    this.#ended = whole;
    this.#wire = null;
    this.#signal.removeEventListener("abort", this.#cancelled);
    this.#resolve?.(err(this.#explain(failure)));
    this.#resolve = null;
    this.#sink?.end(whole);
  }

  consume(sink: BodySink): void {
    if (this.#sink !== null) throw new Error("a body is read once");
    const held = this.#held;
    this.#held = [];
    if (this.#heldBytes > MAX_HELD_BYTES) this.resume();
    this.#heldBytes = 0;
    this.#sink = sink;
    for (const piece of held) if (this.#sink === sink) sink.piece(piece);
    // Unless a piece made the sink cancel.
    if (this.#ended !== null && this.#sink === sink) sink.end(this.#ended);
  }

  pause(): void {
    this.#wire?.pause();
  }

  resume(): void {
    this.#wire?.resume();
  }

  cancel(): void {
    this.#sink = SILENT;
    this.#abort();
  }

  /** Whoever reads hears that it broke off. */
  #abort(): void {
    const wire = this.#wire;
    this.end(false, CANCELLED);
    wire?.hangUp();
  }

  bytes(): Promise<Uint8Array> {
    // An answer that came together with its head is there: nothing is waited for, nothing is copied.
    if (this.#ended === true && this.#sink === null) {
      this.#sink = SILENT;
      return Promise.resolve(joined(this.#held));
    }
    return new Promise((resolve, reject) => {
      const pieces: Uint8Array[] = [];
      this.consume({
        piece: (bytes) => pieces.push(bytes),
        end: (whole) => {
          if (whole) resolve(joined(pieces));
          else reject(new Error("the connection broke in the middle of the body"));
        },
      });
    });
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text()) as unknown;
  }

  get body(): ReadableStream<Uint8Array> {
    this.#body ??= this.#stream();
    return this.#body;
  }

  #stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      start: (controller) =>
        this.consume({
          piece: (bytes) => {
            controller.enqueue(bytes);
            if ((controller.desiredSize ?? 0) <= 0) this.pause();
          },
          end: (whole) => {
            if (whole) controller.close();
            else controller.error(new Error("the connection broke in the middle of the body"));
          },
        }),
      pull: () => this.resume(),
      cancel: () => this.cancel(),
    });
  }
}

const BROKEN: NoAnswer = { kind: "broken", cause: "" };
const CANCELLED: NoAnswer = { kind: "cancelled", cause: "" };
const SILENT: BodySink = { piece: () => undefined, end: () => undefined };

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
}
