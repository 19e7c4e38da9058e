import { type Row, toNumber } from "./row-value.ts";
import { lockMeter } from "./limit-slices.ts";
import type { Tx } from "./store.ts";

const WINDOW_MS = 60_000;

export interface UseAsk {
  readonly meter: string;
  readonly limit: number;
  readonly least: number;
  readonly most: number;
}

export interface UseAnswer {
  /** 0: nothing was counted, it does not fit. */
  readonly units: number;
  readonly at: number;
  /** Of the last minute, with what was just counted. */
  readonly sum: number;
  /** When `least` would fit, if nobody else comes first. */
  readonly waitMs: number;
}

/** Counts what fits into the last minute of everybody who counts in this database. See `RateMeter.count`. */
export async function countUse(tx: Tx, holder: string, now: number, ask: UseAsk): Promise<UseAnswer> {
  const { meter, limit, least, most } = ask;
  await lockMeter(tx, meter);
  await tx`delete from limit_uses where meter = ${meter} and at <= ${now - WINDOW_MS}`;
  const rows: Row[] = await tx`
    select cast(coalesce(sum(units), 0) as double precision) as total from limit_uses where meter = ${meter}`;
  const total = toNumber(rows[0]?.["total"]);
  const room = limit - total;
  if (room < least && total > 0) {
    return { units: 0, at: now, sum: total, waitMs: await waitFor(tx, meter, now, total + least - limit) };
  }
  const units = Math.max(least, Math.min(most, room));
  await addUse(tx, holder, now, meter, units);
  return { units, at: now, sum: total + units, waitMs: 0 };
}

/** Counts whether or not it fits; negative units take back what was counted at `at`, if that is not forgotten yet. */
export async function addUse(tx: Tx, holder: string, at: number, meter: string, units: number): Promise<void> {
  if (units < 0) {
    await tx`update limit_uses set units = units + ${units} where meter = ${meter} and at = ${at} and holder = ${holder}`;
    return;
  }
  await tx`insert into limit_uses ${tx({ meter, at, holder, units })}
    on conflict (meter, at, holder) do update set units = limit_uses.units + excluded.units`;
}

/** Until so many units have fallen out of the minute, or all of them. */
async function waitFor(tx: Tx, meter: string, now: number, units: number): Promise<number> {
  const rows: Row[] = await tx`select at, units from limit_uses where meter = ${meter} order by at`;
  let left = units;
  let at = now - WINDOW_MS;
  for (const row of rows) {
    if (left <= 0) break;
    left -= toNumber(row["units"]);
    at = toNumber(row["at"]);
  }
  return Math.max(1, at + WINDOW_MS - now);
}
