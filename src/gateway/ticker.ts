import { Crowd, type Seat } from "../core/crowd.ts";

/** Something that wants to look at the clock now and then, while it is added. */
export interface Ticking {
  tick(nowMs: number): void;
}

/**
 * One timer for all requests in flight: keep-alives and deadlines need a coarse look, and a timer per chunk would cost
 * more than relaying it. Runs only while somebody is added.
 */
export class Ticker {
  readonly #members = new Crowd<Ticking>();
  readonly #everyMs: number;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(everyMs = 250) {
    this.#everyMs = everyMs;
  }

  add(member: Ticking): Seat<Ticking> {
    this.#timer ??= setInterval(() => this.#tick(), this.#everyMs);
    return this.#members.join(member);
  }

  /** The timer stops at its next turn, when still nobody is there: most members come and go between two turns. */
  remove(seat: Seat<Ticking>): void {
    this.#members.leave(seat);
  }

  #tick(): void {
    const now = performance.now();
    for (const member of this.#members) member.tick(now);
    if (this.#members.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
