import { Cancellation, type CancelSignal } from "../core/cancellation.ts";
import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Account } from "./account.ts";
import { type Client, HangUp } from "./hang-up.ts";
import { answered, attempts, callEngine } from "./attempts.ts";
import type { Attempt, GatewayDeps } from "./ports.ts";
import type { WholeAnswer, WholeRelay } from "./relay.ts";
import type { Ticker } from "./ticker.ts";

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
  const attempt = new WholeAttempt();
  let gone = false;
  const hangUp = new HangUp(client, () => {
    gone = true;
    attempt.abort();
  });
  account.hangUp = hangUp;
  const deadline = {
    tick(nowMs: number): void {
      hangUp.tick();
      const { firstTokenMs } = deps.limits;
      if (!attempt.running || nowMs - attempt.lastByteMs <= firstTokenMs) return;
      const engine = account.choice?.replica.engine ?? "engine";
      attempt.lost({ kind: "engine_timeout", engine, waitedMs: firstTokenMs });
    },
  };
  ticker.add(deadline);
  try {
    const answer = await attempts(deps, account, model, attempt, async (choice, fresh) => {
      const call = relay.plan(choice);
      if (!call.ok) return answered(call.error);
      attempt.again();
      const end = deps.replicas.begin(choice.replica, attempt);
      try {
        const response = await callEngine(deps.link, account, choice, call.value, fresh, attempt.signal);
        const body = response.ok ? await response.value.bytes().catch(() => null) : null;
        if (attempt.failure !== null && body === null) return err({ failure: attempt.failure, answered: false });
        if (!response.ok) return response;
        const { engine } = choice.replica;
        if (body === null) return answered({ kind: "engine_failed", engine, cause: "it broke off" });
        account.sawContent();
        const whole = relay.whole(body, choice);
        if (whole.ok) return whole;
        return answered(whole.error.kind === "engine_failed" ? { ...whole.error, engine } : whole.error);
      } finally {
        attempt.running = false;
        end();
      }
    });
    if (answer.ok) return ok(answer.value);
    if (gone) return err({ kind: "cancelled" });
    return answer;
  } finally {
    ticker.remove(deadline);
    hangUp.close();
  }
}

/** Nothing of it can be seen before it is whole. */
class WholeAttempt implements Attempt {
  #abort = new Cancellation();
  failure: Failure | null = null;
  running = false;
  lastByteMs = 0;
  readonly awaitsEngine = true;
  readonly streams = false;
  readonly contentSeen = false;

  get signal(): CancelSignal {
    return this.#abort;
  }

  again(): void {
    this.failure = null;
    this.running = true;
    this.lastByteMs = performance.now();
  }

  abort(): void {
    this.#abort.abort();
  }

  /** The next attempt goes on with a signal of its own. */
  lost(failure: Failure): void {
    if (this.failure !== null || this.#abort.aborted) return;
    this.failure = failure;
    const given = this.#abort;
    this.#abort = new Cancellation();
    given.abort();
  }
}
