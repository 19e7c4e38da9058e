import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Account } from "./account.ts";
import { answered, type AttemptFailure, attempts, callEngine } from "./attempts.ts";
import { type Client, HangUp } from "./hang-up.ts";
import type { Attempt, Choice, GatewayDeps } from "./ports.ts";
import type { Relay, StreamRelay } from "./relay.ts";
import type { Ticker, Ticking } from "./ticker.ts";

type StopCause = "client" | "first_token_timeout" | "stall" | "cut";
type Reader = ReadableStreamDefaultReader<Uint8Array>;

/**
 * One answer that an engine streams: opened on a replica that begins to answer, then pulled piece by piece. The client
 * may go at any moment (`cancel`), and then the engine's call is aborted. The account is settled exactly once, before
 * the last bytes are given out.
 */
export class StreamedAnswer implements Ticking, Attempt {
  readonly #deps: GatewayDeps;
  readonly #ticker: Ticker;
  readonly #account: Account;
  readonly #relay: Relay;
  readonly #model: string;
  /** Of the attempt that runs: one whose replica is given up is aborted alone. */
  #abort = new AbortController();
  readonly #hangUp: HangUp;
  #lost: Failure | null = null;
  #reading = false;
  #stopCause: StopCause | null = null;
  #choice: Choice | null = null;
  #reader: Reader | null = null;
  #stream: StreamRelay | null = null;
  #endAttempt: (() => void) | null = null;
  /** Frames that came together with the first content. */
  #pending: Uint8Array | null = null;
  #over = false;
  #failed: Failure | null = null;
  #lastByteMs = performance.now();
  /** Called about four times a second while the answer runs; for keep-alives. */
  onTick: ((nowMs: number) => void) | null = null;

  constructor(deps: GatewayDeps, ticker: Ticker, account: Account, relay: Relay, model: string, client: Client) {
    this.#hangUp = new HangUp(client, () => this.cancel());
    this.#deps = deps;
    this.#ticker = ticker;
    this.#account = account;
    this.#relay = relay;
    this.#model = model;
    ticker.add(this);
  }

  /** Resolves when the first content is there (or the whole answer, if it has none), or with the failure. */
  async open(): Promise<Failure | null> {
    const opened = await attempts(this.#deps, this.#account, this.#model, this, (choice, fresh) =>
      this.#attempt(choice, fresh),
    );
    if (opened.ok) return null;
    const failure = this.#explain(opened.error);
    this.#close();
    return failure;
  }

  /** The next bytes for the client; null after the last. Never rejects: a failure becomes the last frame. */
  async next(): Promise<Uint8Array | null> {
    if (this.#pending) {
      const bytes = this.#pending;
      this.#pending = null;
      return bytes;
    }
    // One promise a piece, the reader's own: this loop runs for every chunk of every stream.
    while (!this.#over) {
      let piece: Uint8Array | null = null;
      let done = true;
      try {
        this.#reading = true;
        const read = await this.#reader?.read();
        piece = read?.value ?? null;
        done = read?.done ?? true;
        this.#lastByteMs = performance.now();
      } catch {
        // A connection that broke has ended: what that means shows by how far the answer was.
      }
      this.#reading = false;
      const out = this.#advance(piece, done);
      const bytes = out instanceof Promise ? await out : out;
      if (bytes) return bytes;
    }
    return null;
  }

  /** The client is gone. */
  cancel(): void {
    if (this.#over) return;
    this.#stop("client");
    const progress = this.#stream?.progress;
    void this.#account.fail({ kind: "cancelled" }, 499, progress?.usage ?? null, progress?.outputTokens ?? 0);
    this.#close();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get lastByteMs(): number {
    return this.#lastByteMs;
  }

  get awaitsEngine(): boolean {
    return this.#reading;
  }

  get streams(): boolean {
    return true;
  }

  get contentSeen(): boolean {
    return this.#stream?.progress.contentSeen ?? false;
  }

  /** Before the first content the next attempt goes on with a signal of its own; after it the answer ends here. */
  lost(failure: Failure): void {
    if (this.#over || this.#lost !== null) return;
    this.#lost = failure;
    const given = this.#abort;
    if (!this.contentSeen) this.#abort = new AbortController();
    given.abort();
  }

  /** No replica has it yet: it waits for one. */
  get waiting(): boolean {
    return this.#choice === null;
  }

  /** Why it ended early; null while all is well. For callers that collect the whole answer. */
  get failure(): Failure | null {
    return this.#failed;
  }

  tick(nowMs: number): void {
    this.#hangUp.tick();
    if (this.#over) return;
    const { limits } = this.#deps;
    const begun = this.#stream?.progress.contentSeen ?? false;
    if (!begun && nowMs - this.#account.startedMs > limits.firstTokenMs) this.#stop("first_token_timeout");
    else if (begun && nowMs - this.#lastByteMs > limits.stallMs) this.#stop("stall");
    else this.onTick?.(nowMs);
  }

  async #attempt(choice: Choice, fresh: boolean): Promise<Result<null, AttemptFailure>> {
    const call = this.#relay.plan(choice);
    if (!call.ok) return answered(call.error);
    this.#choice = choice;
    this.#lost = null;
    this.#reading = true;
    this.#lastByteMs = performance.now();
    this.#endAttempt = this.#deps.replicas.begin(choice.replica, this);
    const { signal } = this.#abort;
    const response = await callEngine(this.#deps.link, this.#account, choice, call.value, fresh, signal);
    if (!response.ok || !response.value.body) {
      this.#release();
      if (this.#lost !== null) return err({ failure: this.#lost, answered: false });
      return response.ok ? answered(this.#broken("it answered without a body")) : response;
    }
    this.#reader = response.value.body.getReader();
    const stream = this.#relay.stream(choice);
    this.#stream = stream;
    const head: Uint8Array[] = [];
    while (!stream.progress.contentSeen && !stream.progress.finished) {
      const { bytes, done } = await this.#read();
      const out = done ? stream.end() : stream.push(bytes ?? EMPTY);
      const failure =
        stream.progress.failure ?? (done && !stream.progress.finished ? this.#broken("it broke off") : null);
      if (failure) {
        this.#release();
        if (this.#lost !== null) return err({ failure: this.#lost, answered: false });
        return answered(named(failure, choice));
      }
      if (out) head.push(out);
    }
    this.#reading = false;
    this.#account.sawContent();
    this.#pending = head.length === 0 ? null : join(head);
    if (stream.progress.finished) await this.#finish();
    return ok(null);
  }

  /** Feeds one piece; what comes out is whole frames for the client. A promise only where the answer ends. */
  #advance(bytes: Uint8Array | null, done: boolean): Uint8Array | null | Promise<Uint8Array | null> {
    const stream = this.#stream;
    if (!stream || this.#over) return null;
    const out = done ? stream.end() : stream.push(bytes ?? EMPTY);
    const { progress } = stream;
    if (progress.finished) return this.#finish().then(() => out);
    const failure = progress.failure ?? (done ? this.#broken("it broke off in the middle of its answer") : null);
    if (failure) return this.#finishFailed(this.#explain(this.#choice ? named(failure, this.#choice) : failure), out);
    if (this.#account.extend(progress.outputTokens)) return out;
    this.#stop("cut");
    const last = stream.cutShort();
    return this.#finish().then(() => (out ? join([out, last]) : last));
  }

  async #read(): Promise<{ bytes: Uint8Array | null; done: boolean }> {
    try {
      const read = await this.#reader?.read();
      this.#lastByteMs = performance.now();
      return { bytes: read?.value ?? null, done: read?.done ?? true };
    } catch {
      return { bytes: null, done: true };
    }
  }

  async #finish(): Promise<void> {
    const progress = this.#stream?.progress;
    const reader = this.#reader;
    await this.#account.succeed(progress?.usage ?? null, progress?.outputTokens ?? 0);
    // Reading to the end gives the connection back to the pool.
    if (reader && this.#stopCause === null) void reader.read().then(null, () => undefined);
    this.#close();
  }

  async #finishFailed(failure: Failure, before: Uint8Array | null): Promise<Uint8Array | null> {
    const stream = this.#stream;
    if (this.#choice !== null && this.#stopCause === null)
      this.#deps.replicas.failed(this.#choice.replica, failure, false);
    this.#failed = failure;
    await this.#account.fail(failure, 200, stream?.progress.usage ?? null, stream?.progress.outputTokens ?? 0);
    this.#stop("cut");
    this.#close();
    if (failure.kind === "cancelled" || !stream) return null;
    const last = stream.fail(failure);
    return before ? join([before, last]) : last;
  }

  #stop(cause: StopCause): void {
    this.#stopCause ??= cause;
    this.#abort.abort();
  }

  /** An aborted call fails like a broken one: say why it was aborted. */
  #explain(failure: Failure): Failure {
    if (this.#lost !== null && this.#stopCause === null) return this.#lost;
    const engine = this.#choice?.replica.engine ?? "engine";
    switch (this.#stopCause) {
      case "client":
        return { kind: "cancelled" };
      case "first_token_timeout":
        return { kind: "engine_timeout", engine, waitedMs: this.#deps.limits.firstTokenMs };
      case "stall":
        return { kind: "engine_timeout", engine, waitedMs: this.#deps.limits.stallMs };
      default:
        return failure;
    }
  }

  #broken(cause: string): Failure {
    return { kind: "engine_failed", engine: this.#choice?.replica.engine ?? "engine", cause };
  }

  #release(): void {
    this.#endAttempt?.();
    this.#endAttempt = null;
    this.#reader?.cancel().catch(() => undefined);
    this.#reader = null;
    this.#stream = null;
  }

  #close(): void {
    this.#over = true;
    this.#hangUp.close();
    this.#ticker.remove(this);
    this.#endAttempt?.();
    this.#endAttempt = null;
  }
}

const EMPTY = new Uint8Array();

function named(failure: Failure, choice: Choice): Failure {
  return failure.kind === "engine_failed" ? { ...failure, engine: choice.replica.engine } : failure;
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  if (pieces.length === 1 && first) return first;
  return Buffer.concat(pieces);
}
