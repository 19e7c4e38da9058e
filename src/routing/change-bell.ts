import type { CancelSignal } from "../core/cancellation.ts";
import type { RouterClock } from "./router-port.ts";

/** Wakes those who wait for the replicas to change. */
export class ChangeBell {
  readonly #clock: RouterClock;
  readonly #waiting = new Set<() => void>();

  constructor(clock: RouterClock) {
    this.#clock = clock;
  }

  ring(): void {
    // Who is woken may wait again at once: for the next change, not for this one.
    const waiting = [...this.#waiting];
    for (const wake of waiting) wake();
  }

  /** Resolves at the next change, after `limitMs`, or when the client goes. */
  wait(limitMs: number, signal: CancelSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        stop();
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const stop = this.#clock.after(limitMs, done);
      this.#waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }
}
