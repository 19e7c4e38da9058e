import { utcDayStart } from "../core/clock.ts";
import { DAY_MS, HOUR_MS, rebuildDayFromHours, rebuildHour } from "./rollups.ts";
import { type Row, toNumberOrNull } from "./row-value.ts";
import type { Db, Sql } from "./store.ts";

/**
 * Rebuilds one UTC day of both rollups from `usage`. Hour by hour, so that no transaction holds the write lock for long.
 * Usage may be settled at the same time: it is added to an hour and its day in one transaction, so it lands either
 * before the hour is counted or on top of it, and the day is summed up from the hours at the end.
 */
export async function rebuildDay(db: Db, day: number): Promise<void> {
  for (let hour = day; hour < day + DAY_MS; hour += HOUR_MS) await db.write((tx) => rebuildHour(tx, hour));
  await db.write((tx) => rebuildDayFromHours(tx, day));
}

/** The first UTC day from `from` on that has usage; null: there is none. */
export async function nextUsageDay(sql: Sql, from: number): Promise<number | null> {
  const rows: Row[] = await sql`select min(at) as at from usage_requests where at >= ${from}`;
  const at = toNumberOrNull(rows[0]?.["at"]);
  return at === null ? null : utcDayStart(at);
}

export async function lastUsageDay(sql: Sql): Promise<number | null> {
  const rows: Row[] = await sql`select max(at) as at from usage_requests`;
  const at = toNumberOrNull(rows[0]?.["at"]);
  return at === null ? null : utcDayStart(at);
}
