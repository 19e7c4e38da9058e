/** How much of one limit is left. */
export interface LimitStanding {
  readonly limit: number;
  readonly remaining: number;
  /** Until all of it is there again. */
  readonly resetMs: number;
}

/** For the headers of a key's answers; null: no such limit. */
export interface LimitStandings {
  readonly requests: LimitStanding | null;
  readonly tokens: LimitStanding | null;
}
