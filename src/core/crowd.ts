/** A place in a crowd. */
export interface Seat<T> {
  readonly who: T;
  /** Kept by the crowd. */
  at: number;
}

/**
 * Those who come and go with every request. Not a `Set`: each time it tidies itself up it leaves a table behind that leads to
 * the next one, and with the first of these grown old the collector keeps whoever was in any of them, all requests since
 * it last went through everything (docs/benchmarks.md).
 */
export class Crowd<T> implements Iterable<T> {
  readonly #seats: Seat<T>[] = [];

  get size(): number {
    return this.#seats.length;
  }

  join(who: T): Seat<T> {
    const seat = { who, at: this.#seats.length };
    this.#seats.push(seat);
    return seat;
  }

  /** The last one moves up. A seat that was left already changes nothing. */
  leave(seat: Seat<T>): void {
    if (this.#seats[seat.at] !== seat) return;
    const last = this.#seats.pop();
    if (last === undefined || last === seat) return;
    last.at = seat.at;
    this.#seats[seat.at] = last;
  }

  /** Those who are there now; who leaves meanwhile is passed over. */
  *[Symbol.iterator](): Generator<T, void> {
    const seats = this.#seats.slice();
    for (const seat of seats) if (this.#seats[seat.at] === seat) yield seat.who;
  }
}
