import type { Clock } from "../core/clock.ts";
import { changeSlice, type SliceAnswer, takeSlice } from "../store/limit-slices.ts";
import { usedTokensOfDay } from "../store/rollups.ts";
import type { LeaseDesk } from "./lease-desk.ts";
import type { Allowance, AllowanceStanding } from "./lease-source.ts";

/** A database that is slow is as good as away: the client should hear something. */
const PATIENCE_MS = 5000;
/** How long nobody asks a database that was away. */
const AWAY_MS = 1000;
/** What was leased and not asked for in this time goes back. */
const IDLE_MS = 2000;

/** How a request waits for what other processes have to spare, which look twice a second. */
export interface Patience {
  readonly againMs: number;
  readonly times: number;
}

interface Waiter {
  readonly least: number;
  readonly most: number;
  tries: number;
  readonly give: (units: number | null) => void;
}

export interface SharedAllowanceOptions {
  readonly desk: LeaseDesk;
  readonly clock: Clock;
  readonly meter: string;
  readonly usage: { readonly keyId: string; readonly day: number } | null;
  /** Leased on top of what is asked for, so that the next request need not ask. */
  readonly extra: number;
  readonly patience: Patience;
}

/**
 * One key's units in a database that several processes share. A slice is leased there and given out here; it is made of
 * what is free, what running requests have set aside (`reserved`), and what was used but is not in the store yet (`spent`).
 */
export class SharedAllowance implements Allowance {
  readonly #o: SharedAllowanceOptions;
  #free = 0;
  #reserved = 0;
  #spent = 0;
  /** The smallest limit that `free` was leased under. */
  #limit = Infinity;
  #askedMs: number;
  #waiting: Waiter[] = [];
  #asking = false;
  /** What the database says that is free here. */
  #toldFree = 0;
  #known: SliceAnswer = { granted: 0, used: 0, others: 0, freeElsewhere: 0 };
  /** Who keeps the account by now. */
  #next: Allowance | null = null;
  #away = false;
  #awayUntilMs = 0;

  constructor(options: SharedAllowanceOptions) {
    this.#o = options;
    this.#askedMs = options.clock.monotonicMs();
  }

  take(limit: number, least: number, most: number): number | null | Promise<number | null> {
    if (this.#next !== null) return this.#next.take(limit, least, most);
    this.#askedMs = this.#o.clock.monotonicMs();
    // A limit that was lowered counts at once: what was leased under the higher one may be too much.
    if (limit < this.#limit) this.giveBack();
    this.#limit = limit;
    if (this.#waiting.length === 0 && this.#free >= least && this.#o.desk.live) return this.#reserve(most);
    // Not every request must wait to hear the same.
    if (this.#away && this.#askedMs < this.#awayUntilMs) return null;
    return new Promise((give) => {
      this.#waiting.push({ least, most, tries: 0, give });
      setTimeout(() => this.#tooLate(give), PATIENCE_MS);
      void this.#ask();
    });
  }

  settle(held: number, used: number): void {
    if (this.#next !== null) {
      this.#next.settle(held, used);
      return;
    }
    this.#reserved -= held;
    this.#spent += used;
    if (used <= held) this.#free += held - used;
    else this.#change(used - held);
    this.#serve();
    // Of few units each is somebody's: where others are, none waits here for the next request.
    if (this.#o.extra === 0 && !this.#o.desk.alone && this.#waiting.length === 0) this.giveBack();
  }

  standing(): AllowanceStanding {
    if (this.#next !== null) return this.#next.standing();
    const { used, others } = this.#known;
    return { used, held: others + this.#reserved + this.#spent, away: this.#away };
  }

  /** Takes over what another source had given out. */
  adopt(held: number, used: number): void {
    this.#reserved += held;
    this.#spent += used;
    if (held + used > 0) this.#change(held + used);
  }

  /** All that was given out is another source's from now on. Only while it is `quiet`. */
  moveTo(adopt: (held: number, used: number) => Allowance): void {
    this.#next = adopt(this.#reserved, this.#spent);
  }

  /** Nothing is asked for and nobody waits. */
  get quiet(): boolean {
    return this.#waiting.length === 0 && !this.#asking;
  }

  get idle(): boolean {
    return this.#waiting.length === 0 && this.#reserved === 0 && this.#spent === 0 && this.#free === 0 && !this.#asking;
  }

  get spent(): number {
    return this.#spent;
  }

  /** Something that nobody here waits for. */
  get hasFree(): boolean {
    return this.#free > 0 && this.#waiting.length === 0;
  }

  /** Others wait for what is not to spare any more. */
  tellFree(): void {
    if (this.#toldFree > this.#free) this.#change(0);
  }

  get unused(): boolean {
    return this.#o.clock.monotonicMs() - this.#askedMs > IDLE_MS;
  }

  /** So much of what was used is in the store now, and need not be set aside any more. */
  settled(units: number): void {
    this.#spent -= units;
    const { desk, meter, usage } = this.#o;
    this.#change(-units);
    if (usage === null) return;
    // What the store has by now, of everybody: read anew, for whoever reads how the key stands.
    const read = desk.ask(meter, (tx) => usedTokensOfDay(tx, usage.day, usage.keyId));
    read.then(
      (used) => {
        this.#known = { ...this.#known, used: used.get(usage.keyId) ?? 0 };
      },
      () => undefined,
    );
  }

  giveBack(): void {
    if (this.#free === 0) return;
    const units = this.#free;
    this.#free = 0;
    this.#change(-units);
  }

  /** The lease was lost: all that still counts is what requests stand on. */
  claim(): number {
    this.#free = 0;
    return this.#reserved + this.#spent;
  }

  /** Under the name that it was said with: a lease that was lost meanwhile began anew without it. */
  #change(units: number): void {
    const { desk, meter } = this.#o;
    const by = desk.holder;
    const said = desk.ask(meter, async (tx, { holder }) => {
      if (holder !== by) return;
      this.#toldFree = this.#free;
      await changeSlice(tx, holder, meter, units, this.#free);
    });
    said.catch(() => {
      // It is still ours: what could not be given back may as well be used here.
      if (units < 0 && desk.holder === by) this.#free -= units;
    });
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const { desk, meter, usage, extra } = this.#o;
    try {
      const answer = await desk.ask(meter, (tx, { holder, now }) => {
        // What is free here already need not be leased again.
        const least = Math.max(1, (this.#waiting[0]?.least ?? 1) - this.#free);
        const most = this.#waiting.reduce((sum, waiter) => sum + waiter.most, 0) - this.#free;
        return takeSlice(tx, holder, now, {
          meter,
          limit: this.#limit,
          usage,
          least,
          most: Math.max(least, most),
          extra,
        });
      });
      this.#free += answer.granted;
      this.#toldFree = this.#free;
      this.#known = answer;
      this.#away = false;
    } catch {
      this.#isAway();
    }
    this.#asking = false;
    this.#serve();
    this.#lookOn();
  }

  #serve(): void {
    if (!this.#o.desk.live) return;
    for (let first = this.#waiting[0]; first && this.#free >= first.least; first = this.#waiting[0]) {
      this.#waiting.shift();
      first.give(this.#reserve(first.most));
    }
  }

  /** What could not be served waits for others, if they have something to spare, or hears that there is nothing. */
  #lookOn(): void {
    const first = this.#waiting[0];
    if (!first) return;
    if (this.#away) {
      for (const waiter of this.#waiting.splice(0)) waiter.give(null);
      return;
    }
    const { granted, freeElsewhere } = this.#known;
    const { againMs, times } = this.#o.patience;
    if (granted > 0) {
      void this.#ask();
      return;
    }
    // They all wait for the same; only what is too much for the rest may keep a smaller one behind it from being served.
    for (const waiter of this.#waiting) waiter.tries += 1;
    const over = freeElsewhere === 0 ? [first] : this.#waiting.filter(({ tries }) => tries > times);
    this.#waiting = this.#waiting.filter((waiter) => !over.includes(waiter));
    for (const waiter of over) waiter.give(null);
    if (this.#waiting.length > 0) setTimeout(() => void this.#ask(), freeElsewhere === 0 ? 0 : againMs);
  }

  #isAway(): void {
    this.#away = true;
    this.#awayUntilMs = this.#o.clock.monotonicMs() + AWAY_MS;
  }

  #reserve(most: number): number {
    const units = Math.min(most, this.#free);
    this.#free -= units;
    this.#reserved += units;
    return units;
  }

  #tooLate(give: Waiter["give"]): void {
    const at = this.#waiting.findIndex((waiter) => waiter.give === give);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    if (this.#asking) this.#isAway();
    give(null);
  }
}
