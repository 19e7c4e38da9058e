/** Part of the recent requests that may be tried again. */
const SHARE = 0.2;
/** Saved up at most: what a burst may use after a quiet time of many requests. */
const MOST = 100;
/** There even where nearly nothing goes on, and again at this rate. */
const RESERVE = 20;
const RESERVE_PER_SECOND = 2;

/** How often all requests together may be tried again, so that an outage is not multiplied by retries. */
export class RetryBudget {
  readonly #nowMs: () => number;
  #earned = 0;
  #reserve = RESERVE;
  #filledMs: number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#filledMs = nowMs();
  }

  /** A request came: it earns a part of a retry. */
  earn(): void {
    if (this.#earned < MOST) this.#earned += SHARE;
  }

  /** One more attempt, if there is anything left for it. */
  spend(): boolean {
    const nowMs = this.#nowMs();
    this.#reserve = Math.min(RESERVE, this.#reserve + ((nowMs - this.#filledMs) / 1000) * RESERVE_PER_SECOND);
    this.#filledMs = nowMs;
    if (this.#earned >= 1) this.#earned -= 1;
    else if (this.#reserve >= 1) this.#reserve -= 1;
    else return false;
    return true;
  }
}
