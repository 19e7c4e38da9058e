/** Time comes in as an argument, so that tests can hold it. */
export interface Clock {
  /** Milliseconds since the epoch, UTC. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes backwards, sub-millisecond. */
  monotonicMs(): number;
}

export const systemClock: Clock = { now: () => Date.now(), monotonicMs: () => performance.now() };

/** Start of the UTC day that holds `epochMs`. Daily quotas and rollups turn over here. */
export function utcDayStart(epochMs: number): number {
  return epochMs - (epochMs % 86_400_000);
}

/** Start of the UTC hour that holds `epochMs`. */
export function utcHourStart(epochMs: number): number {
  return epochMs - (epochMs % 3_600_000);
}
