import { type Clock, utcDayStart } from "../core/clock.ts";
import type { Allowance, AllowanceStanding, LeaseSource } from "./lease-source.ts";

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
    if (this.#slots.size >= 1024) for (const [id, slots] of this.#slots) if (slots.idle) this.#slots.delete(id);
    return allowanceIn(this.#slots, keyId);
  }

  /** A key that had no quota was not counted: this is what the store has of it for today. */
  startFrom(keyId: string, usedTokens: number): void {
    const today = this.tokensOfDay(keyId) as LocalAllowance;
    today.used = usedTokens;
  }
}

function allowanceIn(map: Map<string, LocalAllowance>, keyId: string): LocalAllowance {
  let allowance = map.get(keyId);
  if (allowance === undefined) map.set(keyId, (allowance = new LocalAllowance(0)));
  return allowance;
}

class LocalAllowance implements Allowance {
  used: number;
  #held = 0;

  constructor(used: number) {
    this.used = used;
  }

  get idle(): boolean {
    return this.#held === 0;
  }

  take(limit: number, least: number, most: number): number | null {
    const units = Math.min(most, limit - this.used - this.#held);
    if (units < least) return null;
    this.#held += units;
    return units;
  }

  settle(held: number, used: number): void {
    this.#held -= held;
    this.used += used;
  }

  standing(): AllowanceStanding {
    return { used: this.used, held: this.#held, away: false };
  }
}
