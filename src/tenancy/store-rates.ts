import type { Clock } from "../core/clock.ts";
import { addUse, countUse } from "../store/limit-uses.ts";
import type { LeaseDesk } from "./lease-desk.ts";
import type { Counted, RateEntry, RateMeter, RateSource, RateStanding } from "./lease-source.ts";
import { LocalRates } from "./local-rates.ts";
import { WINDOW_MS } from "./rate-window.ts";

/** A database that is slow is as good as away. */
const PATIENCE_MS = 2000;
/** How long nobody asks a database that was away. */
const AWAY_MS = 1000;

/**
 * The last minute of keys, counted in the database that several gateways share. While it is away each gateway counts for
 * itself: a rate is there to be fair, and an answer refused because nobody knows would be worse.
 */
export class StoreRates implements RateSource {
  readonly #desk: LeaseDesk;
  readonly #clock: Clock;
  readonly #local: LocalRates;
  readonly #meters = new Map<string, SharedRate>();
  #awayUntilMs = -Infinity;

  constructor(desk: LeaseDesk, clock: Clock) {
    this.#desk = desk;
    this.#clock = clock;
    this.#local = new LocalRates(clock);
  }

  requests(keyId: string): RateMeter {
    return this.#meter(`requests ${keyId}`, this.#local.requests(keyId));
  }

  tokens(keyId: string): RateMeter {
    return this.#meter(`minute ${keyId}`, this.#local.tokens(keyId));
  }

  #meter(meter: string, local: RateMeter): SharedRate {
    let shared = this.#meters.get(meter);
    if (shared !== undefined) return shared;
    if (this.#meters.size >= 1024) {
      for (const [name, known] of this.#meters) if (known.standing().sum === 0) this.#meters.delete(name);
    }
    const away = {
      now: (): boolean => this.#clock.monotonicMs() < this.#awayUntilMs,
      found: (): void => {
        this.#awayUntilMs = this.#clock.monotonicMs() + AWAY_MS;
      },
    };
    this.#meters.set(meter, (shared = new SharedRate(meter, this.#desk, this.#clock, local, away)));
    return shared;
  }
}

interface Away {
  now(): boolean;
  found(): void;
}

interface SharedEntry extends RateEntry {
  readonly holder: string;
}

class SharedRate implements RateMeter {
  readonly #meter: string;
  readonly #desk: LeaseDesk;
  readonly #clock: Clock;
  readonly #local: RateMeter;
  readonly #away: Away;
  /** What the database said last, and when. */
  #known = { sum: 0, atMs: -Infinity };

  constructor(meter: string, desk: LeaseDesk, clock: Clock, local: RateMeter, away: Away) {
    this.#meter = meter;
    this.#desk = desk;
    this.#clock = clock;
    this.#local = local;
    this.#away = away;
  }

  async count(limit: number, least: number, most: number): Promise<Counted> {
    if (this.#away.now()) return this.#local.count(limit, least, most);
    const meter = this.#meter;
    const asked = this.#desk.ask(meter, async (tx, { holder, now }) => {
      const answer = await countUse(tx, holder, now, { meter, limit, least, most });
      return { ...answer, holder };
    });
    const answer = await inTime(asked);
    if (answer === null) {
      this.#away.found();
      return this.#local.count(limit, least, most);
    }
    this.#known = { sum: answer.sum, atMs: this.#clock.monotonicMs() };
    if (answer.units === 0) return { waitMs: answer.waitMs };
    // Kept up here too: what there is to go by when the database is away.
    this.#local.add(answer.units);
    const entry: SharedEntry = { at: answer.at, units: answer.units, holder: answer.holder };
    return { entry, units: answer.units };
  }

  add(units: number): void {
    this.#local.add(units);
    this.#known.sum += units;
    const meter = this.#meter;
    void this.#desk.ask(meter, (tx, { holder, now }) => addUse(tx, holder, now, meter, units)).catch(() => undefined);
  }

  takeBack(entry: RateEntry, units: number): void {
    if (!("holder" in entry)) {
      this.#local.takeBack(entry, units);
      return;
    }
    const { at, holder } = entry as SharedEntry;
    const meter = this.#meter;
    this.#known.sum = Math.max(0, this.#known.sum - units);
    void this.#desk.ask(meter, (tx) => addUse(tx, holder, at, meter, -units)).catch(() => undefined);
  }

  standing(): RateStanding {
    const here = this.#local.standing();
    const { sum, atMs } = this.#known;
    const ageMs = this.#clock.monotonicMs() - atMs;
    if (ageMs >= WINDOW_MS) return here;
    return { sum: Math.max(sum, 0), emptyInMs: Math.max(here.emptyInMs, sum > 0 ? WINDOW_MS - ageMs : 0) };
  }
}

/** Null when it fails or takes too long. */
function inTime<T>(asked: Promise<T>): Promise<T | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), PATIENCE_MS);
    asked.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      () => {
        clearTimeout(timer);
        resolve(null);
      },
    );
  });
}
