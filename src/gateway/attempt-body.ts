import type { BodySink, ChunkSpans, PushedBody } from "../core/engine-answer.ts";
import type { Account } from "./account.ts";
import { type FeedHost, GrantedFeed } from "./granted-feed.ts";
import type { StreamRelay } from "./relay.ts";

/** The answer that an attempt is made for. */
export interface AttemptHost {
  /** No pieces of this attempt are wanted any more. */
  drops(attempt: AttemptBody): boolean;
  /** Not even its end is. */
  isDone(attempt: AttemptBody): boolean;
  /** The engine sent something. */
  heard(): void;
  /** Whole frames for the client (null: none yet), or what is left at the engine's end (`done`). True: more may follow. */
  take(frames: Uint8Array | null, done: boolean): boolean;
  /** Chunks of content may go to the client as they came. */
  readonly takesChunks: boolean;
  /** False: the client has no room for more. */
  takeChunks(chunks: Uint8Array): boolean;
  /** The answer may not grow any more. */
  cutShort(): void;
}

/** What the engine sends in one attempt, on its way through the relay to the answer as far as it is granted. */
export class AttemptBody implements BodySink, FeedHost {
  readonly stream: StreamRelay;
  readonly #host: AttemptHost;
  readonly #body: PushedBody;
  readonly #feed: GrantedFeed;
  #paused = false;

  constructor(host: AttemptHost, account: Account, body: PushedBody, stream: StreamRelay) {
    this.stream = stream;
    this.#host = host;
    this.#body = body;
    this.#feed = new GrantedFeed(account, this);
  }

  start(): void {
    this.#body.consume(this);
  }

  piece(bytes: Uint8Array): void {
    if (this.#host.drops(this)) return;
    this.#host.heard();
    this.#feed.push(bytes);
  }

  /** False: they must be looked at more closely. */
  chunks(bytes: Uint8Array, spans: ChunkSpans): boolean {
    if (this.#host.drops(this)) return true;
    if (!this.#host.takesChunks || !this.#feed.mayPass(bytes.length, this.outputTokens)) return false;
    if (this.stream.pass?.(bytes, spans) !== true) return false;
    this.#host.heard();
    if (!this.#host.takeChunks(bytes)) this.pause();
    this.#passed();
    return true;
  }

  end(): void {
    if (!this.over) this.#feed.push(null);
  }

  take(bytes: Uint8Array | null): void {
    const frames = bytes === null ? this.stream.end() : this.stream.push(bytes);
    if (this.#host.take(frames, bytes === null)) this.#passed();
  }

  get over(): boolean {
    return this.#host.isDone(this);
  }

  get outputTokens(): number {
    return this.stream.progress.outputTokens;
  }

  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#body.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // Its silence was ours.
    this.#host.heard();
    this.#body.resume();
  }

  cut(): void {
    this.#host.cutShort();
  }

  /** Hangs up; nothing comes of it any more. */
  cancel(): void {
    this.#body.cancel();
  }

  #passed(): void {
    if (!this.#feed.passed(this.outputTokens)) this.#host.cutShort();
  }
}
