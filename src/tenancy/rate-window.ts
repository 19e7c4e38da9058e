import type { Clock } from "../core/clock.ts";
import type { Counted, RateEntry, RateMeter, RateStanding } from "./lease-source.ts";

export const WINDOW_MS = 60_000;

/**
 * What one key did in the last minute, to the millisecond: whatever minute one looks at, no more than the limit is in it,
 * and what fits is never refused. As many entries as there were milliseconds with a count, 60,000 at most.
 */
export class RateWindow implements RateMeter {
  readonly #clock: Clock;
  /** Oldest first, from `#head` on. */
  #entries: RateEntry[] = [];
  #head = 0;
  #sum = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when it may be thrown away. */
  get idle(): boolean {
    this.#forget();
    return this.#head === this.#entries.length;
  }

  count(limit: number, least: number, most: number): Counted {
    this.#forget();
    const room = limit - this.#sum;
    if (room < least && this.#sum > 0) return { waitMs: this.#waitMs(limit, least) };
    const units = Math.max(least, Math.min(most, room));
    return { entry: this.#push(units), units };
  }

  add(units: number): void {
    this.#forget();
    if (units > 0) this.#push(units);
  }

  takeBack(entry: RateEntry, units: number): void {
    this.#forget();
    // What fell out of the minute already is not in the sum.
    if (entry.at + WINDOW_MS <= this.#now()) return;
    entry.units -= units;
    this.#sum -= units;
  }

  standing(): RateStanding {
    this.#forget();
    const newest = this.#entries.at(-1);
    return { sum: this.#sum, emptyInMs: newest === undefined ? 0 : newest.at + WINDOW_MS - this.#now() };
  }

  #push(units: number): RateEntry {
    const at = this.#now();
    const newest = this.#entries.at(-1);
    this.#sum += units;
    if (newest?.at === at && this.#head < this.#entries.length) {
      newest.units += units;
      return newest;
    }
    const entry = { at, units };
    this.#entries.push(entry);
    return entry;
  }

  /** When so much has fallen out of the minute that `units` fit; or all, for what is larger than the limit. */
  #waitMs(limit: number, units: number): number {
    let left = this.#sum;
    let at = 0;
    for (let index = this.#head; index < this.#entries.length && left > 0 && left + units > limit; index += 1) {
      const entry = this.#entries[index];
      left -= entry?.units ?? 0;
      at = entry?.at ?? 0;
    }
    return Math.max(1, at + WINDOW_MS - this.#now());
  }

  /** Whole milliseconds that never go back, as a clock on the wall does when it is set. */
  #now(): number {
    return Math.floor(this.#clock.monotonicMs());
  }

  #forget(): void {
    const entries = this.#entries;
    const oldest = this.#now() - WINDOW_MS;
    let head = this.#head;
    for (let entry = entries[head]; entry !== undefined && entry.at <= oldest; entry = entries[head]) {
      this.#sum -= entry.units;
      head += 1;
    }
    this.#head = head;
    if (head > 64 && head * 2 > entries.length) {
      this.#entries = entries.slice(head);
      this.#head = 0;
    }
  }
}
