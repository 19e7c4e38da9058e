import type { Failure } from "../core/failure.ts";
import type { Reply, ReplySink, ReplyStream } from "../core/reply.ts";
import type { Account } from "./account.ts";
import type { QueuePlace } from "../core/route-ask.ts";
import type { GatewayDeps } from "./ports.ts";
import type { Relay } from "./relay.ts";
import { replyHeaders } from "./reply-headers.ts";

/** An answer that comes piece by piece when it is asked for. */
export interface PulledAnswer {
  /** No replica has it yet. */
  readonly waiting: boolean;
  /** Called about four times a second while the answer runs. */
  onTick: ((nowMs: number) => void) | null;
  /** The next whole frames; null after the last. Never rejects. */
  next(): Promise<Uint8Array | null>;
  /** The client is gone. */
  cancel(): void;
  /** Instead of `next`, where it can push: whole frames as they come, after it is open. */
  flow?(sink: ReplySink): void;
  /** The sink has room again. */
  drained?(): void;
}

/** Proxies must neither keep nor gather what comes piece by piece. */
const STREAM_HEADERS = { "cache-control": "no-cache", "x-accel-buffering": "no" };
const byType = new Map<string, Readonly<Record<string, string>>>();

export interface StreamReplyOptions {
  readonly deps: GatewayDeps;
  readonly account: Account;
  readonly relay: Pick<Relay, "failBeforeStart">;
  readonly answer: PulledAnswer;
  /** The answer's `open()`, running or done. */
  readonly opening: Promise<Failure | null>;
  /** Its `content-type`. */
  readonly streamType: string;
  readonly keepAlive: Uint8Array;
}

/** A stream for the client: nothing more is read from the engine while the client has no room. */
export function streamReply(options: StreamReplyOptions): Reply {
  return {
    status: 200,
    ...replyHeaders(options.account, headersOf(options.streamType)),
    body: new AnswerStream(options),
  };
}

/** One object for each type. */
function headersOf(streamType: string): Readonly<Record<string, string>> {
  let headers = byType.get(streamType);
  if (headers === undefined) byType.set(streamType, (headers = { "content-type": streamType, ...STREAM_HEADERS }));
  return headers;
}

/** Comments keep a quiet stream open; only whole frames are ever written, so that one fits between any two. */
class AnswerStream implements ReplyStream, ReplySink {
  readonly #options: StreamReplyOptions;
  #sink: ReplySink | null = null;
  #full = false;
  #closed = false;
  #room: (() => void) | null = null;
  #lastSentMs = performance.now();
  #saidPlace = "";

  constructor(options: StreamReplyOptions) {
    this.#options = options;
    options.deps.metrics.streamOpened();
  }

  flow(sink: ReplySink): void {
    this.#sink = sink;
    const { account, answer, deps, keepAlive } = this.#options;
    answer.onTick = (nowMs) => {
      if (this.#full) return;
      const place = placeComment(account.place, keepAlive);
      if (place === this.#saidPlace && nowMs - this.#lastSentMs < deps.limits.keepAliveMs) return;
      this.#saidPlace = place;
      this.write(place === "" ? keepAlive : Buffer.from(place));
    };
    void this.#run();
  }

  drained(): void {
    this.#full = false;
    this.#room?.();
    this.#room = null;
    this.#options.answer.drained?.();
  }

  hangUp(): void {
    if (this.#closed) return;
    this.#close();
    this.#options.answer.cancel();
    this.#room?.();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#sink === null) return false;
    this.#lastSentMs = performance.now();
    this.#full = !this.#sink.write(bytes);
    return !this.#full;
  }

  get takesChunks(): boolean {
    return this.#sink?.takesChunks === true;
  }

  writeChunks(chunks: Uint8Array): boolean {
    if (this.#closed) return false;
    this.#lastSentMs = performance.now();
    this.#full = this.#sink?.writeChunks?.(chunks) !== true;
    return !this.#full;
  }

  end(last: Uint8Array | null): void {
    if (this.#closed) return;
    this.#close();
    this.#sink?.end(last);
  }

  async #run(): Promise<void> {
    const { answer, opening, account, relay } = this.#options;
    const failure = await opening;
    if (failure) {
      await account.fail(failure, 200);
      this.end(relay.failBeforeStart(failure));
    } else if (answer.flow) answer.flow(this);
    else await this.#pull();
  }

  async #pull(): Promise<void> {
    const { answer } = this.#options;
    for (;;) {
      const bytes = await answer.next();
      if (bytes === null || this.#closed) {
        this.end(null);
        return;
      }
      if (this.write(bytes) || this.#closed) continue;
      await new Promise<void>((resolve) => {
        this.#room = resolve;
      });
    }
  }

  #close(): void {
    this.#closed = true;
    this.#options.answer.onTick = null;
    this.#options.deps.metrics.streamClosed();
  }
}

const COLON = 0x3a;

/** Where a request stands that waits for a slot; "" where it does not wait, or where the stream has no comments. */
function placeComment(place: QueuePlace | null, keepAlive: Uint8Array): string {
  if (place === null || keepAlive[0] !== COLON) return "";
  const position = place.position();
  return position === 0 ? "" : `: waiting for a free slot, position ${position}\n\n`;
}
