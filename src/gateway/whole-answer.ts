import { Cancellation, type CancelSignal } from "../core/cancellation.ts";
import type { Failure } from "../core/failure.ts";
import { err, type Result } from "../core/result.ts";
import type { Account } from "./account.ts";
import { type Client, HangUp } from "./hang-up.ts";
import { answered, type Attempting, type AttemptFailure, attempts, callEngine } from "./attempts.ts";
import type { Attempt, Choice, GatewayDeps } from "./ports.ts";
import type { WholeAnswer, WholeRelay } from "./relay.ts";
import type { Ticker, Ticking } from "./ticker.ts";

/**
 * One answer that an engine gives in one piece. A client that hangs up aborts the engine's call. Does not settle the
 * account: the caller does, with the outcome.
 */
export async function wholeAnswer(
  deps: GatewayDeps,
  ticker: Ticker,
  account: Account,
  relay: WholeRelay,
  model: string,
  client: Client,
): Promise<Result<WholeAnswer, Failure>> {
  const whole = new WholeAttempts(deps, account, relay, client);
  const seat = ticker.add(whole);
  try {
    const answer = await attempts(deps, account, model, whole);
    return whole.gone && !answer.ok ? err({ kind: "cancelled" }) : answer;
  } finally {
    ticker.remove(seat);
    whole.close();
  }
}

/** Nothing of it can be seen before it is whole. */
class WholeAttempts implements Attempting<WholeAnswer>, Attempt, Ticking {
  readonly #deps: GatewayDeps;
  readonly #account: Account;
  readonly #relay: WholeRelay;
  readonly #hangUp: HangUp;
  #abort = new Cancellation();
  #lost: Failure | null = null;
  #running = false;
  /** The client hung up. */
  gone = false;
  lastByteMs = 0;
  readonly awaitsEngine = true;
  readonly streams = false;
  readonly contentSeen = false;

  constructor(deps: GatewayDeps, account: Account, relay: WholeRelay, client: Client) {
    this.#deps = deps;
    this.#account = account;
    this.#relay = relay;
    this.#hangUp = new HangUp(client, this);
    account.hangUp = this.#hangUp;
  }

  get signal(): CancelSignal {
    return this.#abort;
  }

  async attempt(choice: Choice, fresh: boolean): Promise<Result<WholeAnswer, AttemptFailure>> {
    const call = this.#relay.plan(choice);
    if (!call.ok) return answered(call.error);
    this.#lost = null;
    this.#running = true;
    this.lastByteMs = performance.now();
    const end = this.#deps.replicas.begin(choice.replica, this);
    try {
      const response = await callEngine(this.#deps.link, this.#account, choice, call.value, fresh, this.#abort);
      const body = response.ok ? await response.value.bytes().catch(() => null) : null;
      if (this.#lost !== null && body === null) return err({ failure: this.#lost, answered: false });
      if (!response.ok) return response;
      const { engine } = choice.replica;
      if (body === null) return answered({ kind: "engine_failed", engine, cause: "it broke off" });
      this.#account.sawContent();
      const whole = this.#relay.whole(body, choice);
      if (whole.ok) return whole;
      return answered(whole.error.kind === "engine_failed" ? { ...whole.error, engine } : whole.error);
    } finally {
      this.#running = false;
      end();
    }
  }

  tick(nowMs: number): void {
    this.#hangUp.tick();
    const { firstTokenMs } = this.#deps.limits;
    if (!this.#running || nowMs - this.lastByteMs <= firstTokenMs) return;
    const engine = this.#account.choice?.replica.engine ?? "engine";
    this.lost({ kind: "engine_timeout", engine, waitedMs: firstTokenMs });
  }

  cancel(): void {
    this.gone = true;
    this.#abort.abort();
  }

  /** The next attempt goes on with a signal of its own. */
  lost(failure: Failure): void {
    if (this.#lost !== null || this.#abort.aborted) return;
    this.#lost = failure;
    const given = this.#abort;
    this.#abort = new Cancellation();
    given.abort();
  }

  close(): void {
    this.#hangUp.close();
  }
}
