import type { Clock } from "../core/clock.ts";

const WINDOW_MS = 60_000;
const SLICES = 60;
const SLICE_MS = WINDOW_MS / SLICES;

/**
 * What one key did in the last minute, in slices of a second: a sliding window, so that no burst at the turn of a
 * minute gets twice the limit. What is older than a minute is forgotten slice by slice.
 */
export class RateWindow {
  readonly #clock: Clock;
  readonly #slices = new Float64Array(SLICES);
  /** Number of the newest slice since the epoch. */
  #newest: number;
  #sum = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#newest = Math.floor(clock.now() / SLICE_MS);
  }

  /** Of the last minute. */
  get sum(): number {
    this.#forget();
    return this.#sum;
  }

  /** Negative amounts take back what was set aside and not used. */
  add(amount: number): void {
    this.#forget();
    const at = this.#newest % SLICES;
    this.#slices[at] = (this.#slices[at] ?? 0) + amount;
    this.#sum += amount;
  }

  /** How long until `amount` fits under `limit`, if nothing else is added. */
  waitMs(amount: number, limit: number): number {
    this.#forget();
    let left = this.#sum;
    for (let age = SLICES - 1; age >= 0; age -= 1) {
      if (left + amount <= limit) return Math.max(1, this.#dueMs(age + 1));
      left -= this.#slices[(this.#newest - age + SLICES) % SLICES] ?? 0;
    }
    return this.#dueMs(0);
  }

  /** When the slice of this age falls out of the window. */
  #dueMs(age: number): number {
    return (this.#newest - age + SLICES) * SLICE_MS - this.#clock.now();
  }

  #forget(): void {
    const now = Math.floor(this.#clock.now() / SLICE_MS);
    // A clock that was set back adds to the newest slice until it has caught up.
    for (let steps = Math.min(now - this.#newest, SLICES); steps > 0; steps -= 1) {
      this.#newest = now - steps + 1;
      const at = this.#newest % SLICES;
      this.#sum -= this.#slices[at] ?? 0;
      this.#slices[at] = 0;
    }
  }
}
