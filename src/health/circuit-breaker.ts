export interface BreakerTimes {
  readonly failures: number;
  readonly shutMs: number;
  readonly mostShutMs: number;
}

type State =
  | { readonly at: "closed"; readonly failures: number }
  /** No requests until then. */
  | { readonly at: "open"; readonly untilMs: number; readonly restMs: number }
  /** One request may try; null: nobody does yet. */
  | { readonly at: "half-open"; readonly trialUntilMs: number | null; readonly restMs: number };

/**
 * Keeps requests away from a replica that fails. Closed: all may pass. Open: none, for a while. Then half-open: one, and
 * its outcome closes the breaker or opens it for twice as long.
 */
export class CircuitBreaker {
  readonly #times: BreakerTimes;
  #state: State = { at: "closed", failures: 0 };

  constructor(times: BreakerTimes) {
    this.#times = times;
  }

  get isClosed(): boolean {
    return this.#state.at === "closed";
  }

  /** 0: a request may pass now; else the time at which it is worth looking again. */
  shutUntilMs(nowMs: number): number {
    const state = this.#state;
    if (state.at === "closed") return 0;
    if (state.at === "open") {
      if (nowMs < state.untilMs) return state.untilMs;
      this.#state = { at: "half-open", trialUntilMs: null, restMs: state.restMs };
      return 0;
    }
    return state.trialUntilMs !== null && nowMs < state.trialUntilMs ? state.trialUntilMs : 0;
  }

  /** A request is on its way: half-open, this is the trial, and the only one until then or until its outcome. */
  passed(untilMs: number): void {
    if (this.#state.at === "half-open") this.#state = { ...this.#state, trialUntilMs: untilMs };
  }

  /** The trial ended without saying anything of the replica: the client left, or its request was refused. */
  undecided(): void {
    if (this.#state.at === "half-open") this.#state = { ...this.#state, trialUntilMs: null };
  }

  succeeded(): void {
    // One that passed before the breaker opened may still end well: that is as good a trial.
    if (this.#state.at !== "closed" || this.#state.failures > 0) this.#state = { at: "closed", failures: 0 };
  }

  failed(nowMs: number): void {
    const state = this.#state;
    if (state.at === "open") return;
    if (state.at === "half-open") {
      this.#open(nowMs, Math.min(state.restMs * 2, this.#times.mostShutMs));
      return;
    }
    const failures = state.failures + 1;
    this.#state = { at: "closed", failures };
    if (failures >= this.#times.failures) this.#open(nowMs, this.#times.shutMs);
  }

  /** Opens at once: nobody is there. */
  trip(nowMs: number): void {
    if (this.#state.at === "closed") this.#open(nowMs, this.#times.shutMs);
    else this.failed(nowMs);
  }

  #open(nowMs: number, restMs: number): void {
    this.#state = { at: "open", untilMs: nowMs + restMs, restMs };
  }
}
