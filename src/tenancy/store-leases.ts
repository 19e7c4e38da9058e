import { type Clock, utcDayStart } from "../core/clock.ts";
import { wantedMeters } from "../store/limit-slices.ts";
import type { Store } from "../store/store.ts";
import { LeaseDesk } from "./lease-desk.ts";
import type { Allowance, LeaseSource } from "./lease-source.ts";
import type { LocalLeases } from "./local-leases.ts";
import { type Patience, SharedAllowance } from "./shared-allowance.ts";

/** How often it is seen to that what others could use does not lie here. */
const LOOK_MS = 500;
/** A wish older than this was met, or given up. */
const WISH_MS = 3000;
/** So many tokens are leased on top of what is asked for, at most: the next requests are decided without the database. */
const EXTRA_TOKENS = 16 * 1024;
const PATIENCE: Patience = { againMs: 150, times: 16 };

export interface StoreLeasesOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** What this process is called, for whoever wants to know whether it is gone. */
  readonly home: string;
  /** Resolves true once all usage that was written down before the call is in the store; false: not now. */
  readonly settled: () => Promise<boolean>;
  /** For tests. */
  readonly patience?: Patience;
}

interface Metered {
  readonly allowance: SharedAllowance;
  readonly keyId: string;
  readonly usage: { readonly keyId: string; readonly day: number } | null;
}

/** Limits that all gateways on one database share: each holds slices, which come back when it stops or is not heard of. */
export class StoreLeases implements LeaseSource {
  readonly desk: LeaseDesk;
  readonly #o: StoreLeasesOptions;
  readonly #byMeter = new Map<string, Metered>();
  #day: number;
  #timer: ReturnType<typeof setInterval> | null = null;
  #looking: Promise<void> | null = null;

  constructor(options: StoreLeasesOptions) {
    this.#o = options;
    this.#day = utcDayStart(options.clock.now());
    this.desk = new LeaseDesk(options.store, options.clock, options.home, () => this.#claims());
  }

  /** Takes back what earlier processes of this data directory held. Their usage must be in the store already. */
  async start(isGone: (home: string) => boolean): Promise<void> {
    await this.desk.open(isGone);
    this.goOn();
  }

  goOn(): void {
    this.#timer ??= setInterval(() => {
      this.#looking ??= this.look()
        .catch(() => undefined)
        .finally(() => {
          this.#looking = null;
        });
    }, LOOK_MS);
  }

  /** From when it resolves, what was used stays set aside, until it goes on. */
  async rest(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#looking;
  }

  /** Whether anybody else gives out what is limited here. */
  hasOthers(): Promise<boolean> {
    return this.desk.hasOthers();
  }

  get quiet(): boolean {
    return [...this.#byMeter.values()].every(({ allowance }) => allowance.quiet);
  }

  adopt(kind: "tokens" | "slots", keyId: string, held: number, used: number): Allowance {
    const allowance = kind === "tokens" ? this.tokensOfDay(keyId) : this.slots(keyId);
    (allowance as SharedAllowance).adopt(held, used);
    return allowance;
  }

  /** What was used and is set aside because it may not be in the store, by meter. */
  spent(): ReadonlyMap<string, number> {
    return new Map([...this.#byMeter].map(([meter, { allowance }]) => [meter, allowance.spent]));
  }

  /**
   * All that was given out is counted in memory from now on, which knows already of what was `settled`. Only while it is
   * `quiet`, and at rest.
   */
  moveTo(local: LocalLeases, settled: ReadonlyMap<string, number>): void {
    for (const [meter, { allowance, keyId, usage }] of this.#byMeter) {
      const known = settled.get(meter) ?? 0;
      if (usage === null) allowance.moveTo((held) => local.adopt("slots", keyId, held, 0));
      else if (usage.day === this.#day)
        allowance.moveTo((held, used) => local.adopt("tokens", keyId, held, used - known));
    }
  }

  tokensOfDay(keyId: string): Allowance {
    // Forward only: a clock that is set back over midnight must not hand out the day's tokens again.
    this.#day = Math.max(this.#day, utcDayStart(this.#o.clock.now()));
    const day = this.#day;
    return this.#allowance(`tokens ${keyId} ${day}`, keyId, { keyId, day }, EXTRA_TOKENS);
  }

  slots(keyId: string): Allowance {
    return this.#allowance(`slots ${keyId}`, keyId, null, 0);
  }

  /** Gives back what lies idle or what others want, and no longer sets aside what is in the store by now. */
  async look(): Promise<void> {
    if (this.#byMeter.size === 0) return;
    await this.desk.tend();
    const spent = [...this.#byMeter.values()].map(({ allowance }) => [allowance, allowance.spent] as const);
    if (spent.some(([, units]) => units > 0) && (await this.#o.settled())) {
      for (const [allowance, units] of spent) if (units > 0) allowance.settled(units);
    }
    const wanted = await wantedMeters(this.#o.store.sql, this.desk.now - WISH_MS);
    for (const [meter, { allowance }] of this.#byMeter) {
      if (allowance.hasFree && (allowance.unused || wanted.has(meter))) allowance.giveBack();
      else if (wanted.has(meter)) allowance.tellFree();
    }
    for (const [meter, { allowance }] of this.#byMeter) {
      if (allowance.idle && allowance.unused) this.#byMeter.delete(meter);
    }
  }

  /** Once no request runs and all usage is in the store. */
  async stop(): Promise<void> {
    await this.rest();
    await this.desk.close();
  }

  #allowance(meter: string, keyId: string, usage: Metered["usage"], extra: number): Allowance {
    const known = this.#byMeter.get(meter);
    if (known !== undefined) return known.allowance;
    const { clock, patience = PATIENCE } = this.#o;
    const allowance = new SharedAllowance({ desk: this.desk, clock, meter, usage, extra, patience });
    this.#byMeter.set(meter, { allowance, keyId, usage });
    return allowance;
  }

  #claims(): ReadonlyMap<string, number> {
    const claims = new Map<string, number>();
    for (const [meter, { allowance }] of this.#byMeter) {
      const units = allowance.claim();
      if (units > 0) claims.set(meter, units);
    }
    return claims;
  }
}
