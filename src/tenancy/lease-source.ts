/** How a limit on units stands, among all who share it, as far as this process knows. */
export interface AllowanceStanding {
  /** Used for good. */
  readonly used: number;
  /** Set aside by what runs, here and elsewhere. */
  readonly held: number;
  /** True when whoever keeps the sums does not answer, so that nothing more can be given out. */
  readonly away: boolean;
}

/**
 * One key's units of one kind: its tokens of one UTC day, or its requests in flight. What is set aside never exceeds the
 * limit together with what was used, whoever else takes from it at the same time.
 */
export interface Allowance {
  /**
   * Sets aside at least `least` (at least 1) and at most `most` units; null, and nothing changed, when `limit` does not
   * leave that many. A promise only where another process must be asked.
   */
  take(limit: number, least: number, most: number): number | null | Promise<number | null>;
  /** Ends a reservation, exactly once: of `held` units `used` were used for good, and the others come back. */
  settle(held: number, used: number): void;
  standing(): AllowanceStanding;
}

/**
 * Hands out slices of limits. Within one process all are slices of one account in memory; where several gateways share a
 * database, each holds slices that it leased there, which come back when it gives them back or dies.
 */
export interface LeaseSource {
  /** Of the current UTC day. A request keeps the one it began with: what it uses is that day's. */
  tokensOfDay(keyId: string): Allowance;
  slots(keyId: string): Allowance;
}

/** A count that may still be corrected. */
export interface RateEntry {
  readonly at: number;
  units: number;
}

export type Counted =
  | { readonly entry: RateEntry; readonly units: number }
  /** Nothing was counted: it fits after this time, if nobody else comes first. */
  | { readonly waitMs: number };

export interface RateStanding {
  /** Units of the last minute. */
  readonly sum: number;
  /** When the newest of them is a minute old. */
  readonly emptyInMs: number;
}

/** What one key did in the last minute. */
export interface RateMeter {
  /**
   * Counts as many units from `least` to `most` as the limit leaves. What is larger than the whole limit fits into an
   * empty minute: otherwise it never could.
   */
  count(limit: number, least: number, most: number): Counted | Promise<Counted>;
  /** Counts units whether or not they fit: they were used already. */
  add(units: number): void;
  /** Takes back what was counted and not used. */
  takeBack(entry: RateEntry, units: number): void;
  standing(): RateStanding;
}

export interface RateSource {
  requests(keyId: string): RateMeter;
  tokens(keyId: string): RateMeter;
}
