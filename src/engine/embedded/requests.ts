import { newCounters, type Counters } from "./counters.ts";

/** One request that is being answered. */
export interface RunningRequest {
  /** Fires when the client hangs up, and when the engine must stop. */
  readonly signal: AbortSignal;
  /** Ends the work: the reader of a stream went away. */
  abort(): void;
  /** Must be called once the work is over. Calls after the first do nothing. */
  end(outcome: "finished" | "failed"): void;
}

/** The requests in work: counted, stoppable, and waited for at the end. */
export class Requests {
  readonly counters: Counters = newCounters();
  readonly #running = new Set<AbortController>();
  #idle: (() => void) | null = null;

  begin(clientSignal: AbortSignal): RunningRequest {
    const controller = new AbortController();
    const abort = (): void => controller.abort(new Error("the request was cancelled"));
    if (clientSignal.aborted) abort();
    else clientSignal.addEventListener("abort", abort, { once: true });
    this.#running.add(controller);
    this.counters.requestsStarted++;
    return {
      signal: controller.signal,
      abort,
      end: (outcome) => {
        clientSignal.removeEventListener("abort", abort);
        if (!this.#running.delete(controller)) return;
        if (controller.signal.aborted) this.counters.requestsAborted++;
        else if (outcome === "finished") this.counters.requestsFinished++;
        else this.counters.requestsFailed++;
        if (this.#running.size === 0) this.#idle?.();
      },
    };
  }

  /** Resolves when nothing runs any more: what is not over after `graceMs` is aborted. */
  async drain(graceMs: number): Promise<void> {
    if (this.#running.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle = resolve;
    const timer = setTimeout(() => {
      for (const controller of this.#running) controller.abort(new Error("the engine is shutting down"));
    }, graceMs);
    await promise;
    clearTimeout(timer);
  }
}
