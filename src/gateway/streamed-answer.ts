import { Cancellation, type CancelSignal } from "../core/cancellation.ts";
import type { Failure } from "../core/failure.ts";
import type { ReplySink } from "../core/reply.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Account } from "./account.ts";
import { AttemptBody, type AttemptHost } from "./attempt-body.ts";
import { answered, type Attempting, type AttemptFailure, attempts, callEngine } from "./attempts.ts";
import { EarlyEnd, type StopCause } from "./early-end.ts";
import { type Client, HangUp } from "./hang-up.ts";
import type { Attempt, Choice, GatewayDeps } from "./ports.ts";
import { pushedBody } from "./pushed-body.ts";
import { Outlet } from "./outlet.ts";
import type { Relay } from "./relay.ts";
import type { Seat } from "../core/crowd.ts";
import type { PulledAnswer } from "./stream-reply.ts";
import type { Ticker, Ticking } from "./ticker.ts";

type Began = (result: Result<null, AttemptFailure>) => void;

/**
 * One answer that an engine streams: opened on a replica that begins to answer; then its pieces go on to the client in
 * the moment in which they come (`flow`), or as they are asked for (`next`). While nobody has room for them the engine is
 * held back. The client may go at any moment (`cancel`), and then the engine's call is aborted. The account is settled
 * exactly once, before the last bytes are given out.
 */
export class StreamedAnswer implements Ticking, Attempt, Attempting<null>, AttemptHost, PulledAnswer {
  readonly #deps: GatewayDeps;
  readonly #ticker: Ticker;
  readonly #seat: Seat<Ticking>;
  readonly #account: Account;
  readonly #relay: Relay;
  readonly #model: string;
  /** Of the attempt that runs: one whose replica is given up is aborted alone. */
  #abort = new Cancellation();
  readonly #hangUp: HangUp;
  readonly #early: EarlyEnd;
  #choice: Choice | null = null;
  /** The call is out and its head has not come. */
  #calling = false;
  /** The attempt whose head has come. */
  #body: AttemptBody | null = null;
  #endAttempt: (() => void) | null = null;
  /** Told when the attempt has begun to answer, or failed; null when that is past. */
  #began: Began | null = null;
  readonly #outlet = new Outlet();
  /** The books are being closed: what else comes is passed over. */
  #settling = false;
  #over = false;
  #failed: Failure | null = null;
  #lastByteMs = performance.now();
  /** When the attempt that runs began. */
  #askedMs = 0;
  /** Called about four times a second while the answer runs; for keep-alives. */
  onTick: ((nowMs: number) => void) | null = null;

  constructor(deps: GatewayDeps, ticker: Ticker, account: Account, relay: Relay, model: string, client: Client) {
    this.#hangUp = new HangUp(client, this);
    this.#deps = deps;
    this.#early = new EarlyEnd(deps.limits);
    this.#ticker = ticker;
    this.#account = account;
    this.#relay = relay;
    this.#model = model;
    account.hangUp = this.#hangUp;
    this.#seat = ticker.add(this);
  }

  /** Resolves when the first content is there (or the whole answer, if it has none), or with the failure. */
  async open(): Promise<Failure | null> {
    const opened = await attempts(this.#deps, this.#account, this.#model, this);
    if (opened.ok) return null;
    const failure = this.#explain(opened.error);
    this.#close();
    return failure;
  }

  /** What came goes to the sink, and what comes in the moment in which it comes. A failure becomes the last frame. */
  flow(sink: ReplySink): void {
    if (this.#outlet.flow(sink)) this.#body?.resume();
  }

  drained(): void {
    this.#body?.resume();
  }

  /** The next bytes for the client; null after the last. Never rejects: a failure becomes the last frame. */
  async next(): Promise<Uint8Array | null> {
    while ((this.#outlet.empty || this.#settling) && !this.#outlet.ended) {
      this.#body?.resume();
      await this.#outlet.wait();
    }
    return this.#outlet.take();
  }

  /** The client is gone. */
  cancel(): void {
    if (this.#over) return;
    this.#early.stop("client");
    const progress = this.#body?.stream.progress;
    void this.#account.fail({ kind: "cancelled" }, 499, progress?.usage ?? null, progress?.outputTokens ?? 0);
    this.#close();
    this.#abort.abort();
    this.#outlet.end(null);
  }

  get signal(): CancelSignal {
    return this.#abort;
  }

  get lastByteMs(): number {
    return this.#lastByteMs;
  }

  get awaitsEngine(): boolean {
    return this.#calling || this.#body?.paused === false;
  }

  get streams(): boolean {
    return true;
  }

  get contentSeen(): boolean {
    return this.#body?.stream.progress.contentSeen ?? false;
  }

  /** Before the first content the next attempt goes on with a signal of its own; after it the answer ends here. */
  lost(failure: Failure): void {
    if (this.#over || this.#early.lost !== null) return;
    this.#early.lost = failure;
    const given = this.#abort;
    if (!this.contentSeen) this.#abort = new Cancellation();
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
    const begun = this.contentSeen;
    const asked = !begun && this.#endAttempt !== null;
    if (asked && nowMs - this.#askedMs > limits.firstTokenMs) this.lost(this.#timeout(limits.firstTokenMs));
    else if (begun && nowMs - this.#lastByteMs > limits.stallMs) this.#stop("stall");
    else this.onTick?.(nowMs);
  }

  async attempt(choice: Choice, fresh: boolean): Promise<Result<null, AttemptFailure>> {
    const call = this.#relay.plan(choice);
    if (!call.ok) return answered(call.error);
    this.#choice = choice;
    this.#early.lost = null;
    this.#calling = true;
    this.#lastByteMs = performance.now();
    this.#askedMs = this.#lastByteMs;
    this.#endAttempt = this.#deps.replicas.begin(choice.replica, this);
    const signal = this.#abort;
    const response = await callEngine(this.#deps.link, this.#account, choice, call.value, fresh, signal);
    this.#calling = false;
    const pushed = response.ok ? pushedBody(response.value) : null;
    if (!response.ok || pushed === null) {
      this.#release();
      if (this.#early.lost !== null) return err({ failure: this.#early.lost, answered: false });
      return response.ok ? answered(this.#broken("it answered without a body")) : response;
    }
    const body = new AttemptBody(this, this.#account, pushed, this.#relay.stream(choice));
    this.#body = body;
    this.#outlet.clear();
    return await new Promise<Result<null, AttemptFailure>>((resolve) => {
      this.#began = resolve;
      body.start();
    });
  }

  drops(body: AttemptBody): boolean {
    return this.#body !== body || this.#settling || this.#over;
  }

  isDone(body: AttemptBody): boolean {
    return this.#body !== body || this.#settling || (this.#over && this.#began === null);
  }

  heard(): void {
    this.#lastByteMs = performance.now();
  }

  get takesChunks(): boolean {
    return this.#began === null && this.#outlet.takesChunks;
  }

  takeChunks(chunks: Uint8Array): boolean {
    return this.#outlet.giveChunks(chunks);
  }

  cutShort(): void {
    const body = this.#body;
    if (body === null) return;
    void this.#finish(body.stream.cutShort());
    this.#stop("cut");
  }

  take(out: Uint8Array | null, done: boolean): boolean {
    const body = this.#body;
    if (body === null) return false;
    const { progress } = body.stream;
    const began = this.#began;
    const failure =
      progress.failure ??
      (done && !progress.finished ? this.#broken(began === null ? BROKE_OFF : "it broke off") : null);
    if (began !== null) this.#begin(body, began, failure, out);
    else if (progress.finished) void this.#finish(out);
    else if (failure !== null) void this.#finishFailed(this.#explain(failure), out);
    else {
      if (out && !this.#outlet.give(out)) body.pause();
      return true;
    }
    return false;
  }

  /** The same before the first content: until then another replica may be tried. */
  #begin(body: AttemptBody, began: Began, failure: Failure | null, out: Uint8Array | null): void {
    const { contentSeen, finished } = body.stream.progress;
    if (failure !== null) {
      this.#began = null;
      const choice = this.#choice;
      this.#release();
      if (this.#early.lost !== null) began(err({ failure: this.#early.lost, answered: false }));
      else began(answered(choice ? named(failure, choice) : failure));
      return;
    }
    if (out) this.#outlet.hold(out);
    if (!contentSeen && !finished) return;
    this.#began = null;
    this.#account.sawContent();
    if (this.#account.countPrompt === null) this.#relay.letGo?.();
    if (finished) void this.#finish(null).then(() => began(ok(null)));
    else {
      body.pause();
      began(ok(null));
    }
  }

  async #finish(last: Uint8Array | null): Promise<void> {
    this.#settling = true;
    const progress = this.#body?.stream.progress;
    await this.#account.succeed(progress?.usage ?? null, progress?.outputTokens ?? 0);
    // Its end is still to come, and gives the connection back.
    this.#body?.resume();
    this.#close();
    this.#outlet.end(last);
  }

  async #finishFailed(failure: Failure, before: Uint8Array | null): Promise<void> {
    this.#settling = true;
    const stream = this.#body?.stream;
    if (this.#choice !== null && !this.#early.stopped) this.#deps.replicas.failed(this.#choice.replica, failure, false);
    this.#failed = failure;
    await this.#account.fail(failure, 200, stream?.progress.usage ?? null, stream?.progress.outputTokens ?? 0);
    this.#stop("cut");
    this.#close();
    if (failure.kind === "cancelled" || !stream) this.#outlet.end(null);
    else this.#outlet.end(before ? Buffer.concat([before, stream.fail(failure)]) : stream.fail(failure));
  }

  #stop(cause: StopCause): void {
    this.#early.stop(cause);
    this.#abort.abort();
  }

  /** With the engine's name, where it is the engine's. */
  #explain(failure: Failure): Failure {
    return this.#early.explain(this.#choice ? named(failure, this.#choice) : failure, this.#engine);
  }

  get #engine(): string {
    return this.#choice?.replica.engine ?? "engine";
  }

  #timeout(waitedMs: number): Failure {
    return { kind: "engine_timeout", engine: this.#engine, waitedMs };
  }

  #broken(cause: string): Failure {
    return { kind: "engine_failed", engine: this.#engine, cause };
  }

  #release(): void {
    this.#endAttempt?.();
    this.#endAttempt = null;
    this.#body?.cancel();
    this.#body = null;
  }

  #close(): void {
    this.#over = true;
    this.#hangUp.close();
    this.#ticker.remove(this.#seat);
    this.#endAttempt?.();
    this.#endAttempt = null;
  }
}

const BROKE_OFF = "it broke off in the middle of its answer";

function named(failure: Failure, choice: Choice): Failure {
  return failure.kind === "engine_failed" ? { ...failure, engine: choice.replica.engine } : failure;
}
