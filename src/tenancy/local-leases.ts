import { type Clock, utcDayStart } from "../core/clock.ts";
import type { Allowance, AllowanceStanding, LeaseSource } from "./lease-source.ts";

/** A source that takes over reservations which another one gave out. */
export interface TakesOver {
  /** `used` counts too where the source does not know it yet. */
  adopt(kind: "tokens" | "slots", keyId: string, held: number, used: number): Allowance;
}

/** Daily quotas and concurrency of all keys, where this process is the only one that gives them out. */
export class LocalLeases implements LeaseSource {
  readonly #clock: Clock;
  readonly #slots = new Map<string, LocalAllowance>();
  #day: number;
  #tokens = new Map<string, LocalAllowance>();

  /** `used`: tokens by key of the current UTC day, from the store. */
  constructor(clock: Clock, used: ReadonlyMap<string, number>) {
    this.#clock = clock;
    this.#day = utcDayStart(clock.now());
    for (const [keyId, tokens] of used) this.#tokens.set(keyId, new LocalAllowance(tokens));
  }

  tokensOfDay(keyId: string): Allowance {
    const day = utcDayStart(this.#clock.now());
    // Forward only: a clock that is set back over midnight must not hand out the day's tokens again.
    if (day > this.#day) {
      this.#day = day;
      this.#tokens = new Map();
    }
    return allowanceIn(this.#tokens, keyId);
  }

  slots(keyId: string): Allowance {
    const known = this.#slots.get(keyId);
    if (known) return known;
    // A key with none in flight needs no entry: there may have been many keys.
    if (this.#slots.size >= 1024) for (const [id, slots] of this.#slots) if (slots.held === 0) this.#slots.delete(id);
    return allowanceIn(this.#slots, keyId);
  }

  /** A key that had no quota was not counted: this is what the store has of it for today. */
  startFrom(keyId: string, usedTokens: number): void {
    const today = this.tokensOfDay(keyId) as LocalAllowance;
    today.used = usedTokens;
  }

  adopt(kind: "tokens" | "slots", keyId: string, held: number, used: number): Allowance {
    const allowance = (kind === "tokens" ? this.tokensOfDay(keyId) : this.slots(keyId)) as LocalAllowance;
    allowance.adopt(held, used);
    return allowance;
  }

  /** All that was given out is another source's from now on; `used` is what the store knows. */
  moveTo(next: TakesOver, used: ReadonlyMap<string, number>): void {
    for (const [keyId, tokens] of this.#tokens) {
      const unknown = Math.max(0, tokens.used - (used.get(keyId) ?? 0));
      if (tokens.held + unknown > 0) tokens.moveTo(next.adopt("tokens", keyId, tokens.held, unknown));
    }
    for (const [keyId, slots] of this.#slots)
      if (slots.held > 0) slots.moveTo(next.adopt("slots", keyId, slots.held, 0));
  }
}

function allowanceIn(map: Map<string, LocalAllowance>, keyId: string): LocalAllowance {
  let allowance = map.get(keyId);
  if (allowance === undefined) map.set(keyId, (allowance = new LocalAllowance(0)));
  return allowance;
}

export class LocalAllowance implements Allowance {
  used: number;
  #held = 0;
  /** Who keeps the account by now. */
  #next: Allowance | null = null;

  constructor(used: number) {
    this.used = used;
  }

  get held(): number {
    return this.#held;
  }

  take(limit: number, least: number, most: number): number | null | Promise<number | null> {
    if (this.#next !== null) return this.#next.take(limit, least, most);
    const units = Math.min(most, limit - this.used - this.#held);
    if (units < least) return null;
    this.#held += units;
    return units;
  }

  settle(held: number, used: number): void {
    if (this.#next !== null) {
      this.#next.settle(held, used);
      return;
    }
    this.#held -= held;
    this.used += used;
  }

  standing(): AllowanceStanding {
    return this.#next?.standing() ?? { used: this.used, held: this.#held, away: false };
  }

  adopt(held: number, used: number): void {
    this.#held += held;
    this.used += used;
  }

  moveTo(next: Allowance): void {
    this.#next = next;
  }
}
