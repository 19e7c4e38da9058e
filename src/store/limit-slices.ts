import { type Row, toNumber, toText } from "./row-value.ts";
import { usedTokensOfDay } from "./rollups.ts";
import type { Sql, Tx } from "./store.ts";

export interface SliceAsk {
  readonly meter: string;
  readonly limit: number;
  /** Whose usage of which UTC day counts too; null: only what is set aside counts. */
  readonly usage: { readonly keyId: string; readonly day: number } | null;
  /** Nothing is given when less is left. */
  readonly least: number;
  readonly most: number;
  /** On top of `most` for what comes next: at most so many units, and an eighth of what is then left. */
  readonly extra: number;
}

export interface SliceAnswer {
  readonly granted: number;
  /** Used for good, by what has come into the store. */
  readonly used: number;
  /** Set aside by other live holders. */
  readonly others: number;
  /** Of that, what they did not need when they last said so. */
  readonly freeElsewhere: number;
}

const EXTRA_SHARE = 8;

/** One process after the other decides about a meter: until the end of the transaction nobody else does. */
export async function lockMeter(tx: Tx, meter: string): Promise<void> {
  await tx`insert into limit_meters ${tx({ meter, wanted_at: 0 })}
    on conflict (meter) do update set wanted_at = limit_meters.wanted_at`;
}

/**
 * Sets units of a limit aside for `holder`, which must be live. What all live holders have together with what was used
 * never exceeds the limit: holders keep what they used set aside until it is in the store, and it is read after their
 * slices are.
 */
export async function takeSlice(tx: Tx, holder: string, now: number, ask: SliceAsk): Promise<SliceAnswer> {
  const { meter, limit, usage, least, most, extra } = ask;
  await lockMeter(tx, meter);
  const rows: Row[] = await tx`
    select slices.holder as holder, slices.units as units, slices.free as free from limit_slices slices
    join limit_holders holders on holders.holder = slices.holder
    where slices.meter = ${meter} and holders.expires_at > ${now}`;
  let held = 0;
  let others = 0;
  let freeElsewhere = 0;
  for (const row of rows) {
    held += toNumber(row["units"]);
    if (toText(row["holder"]) === holder) continue;
    others += toNumber(row["units"]);
    freeElsewhere += toNumber(row["free"]);
  }
  const used = usage === null ? 0 : ((await usedTokensOfDay(tx, usage.day, usage.keyId)).get(usage.keyId) ?? 0);
  const room = limit - used - held;
  if (room < least) {
    if (freeElsewhere > 0) await tx`update limit_meters set wanted_at = ${now} where meter = ${meter}`;
    return { granted: 0, used, others, freeElsewhere };
  }
  const needed = Math.min(room, most);
  const granted = needed + Math.min(extra, Math.floor((room - needed) / EXTRA_SHARE));
  await changeSlice(tx, holder, meter, granted, granted - needed);
  return { granted, used, others, freeElsewhere };
}

/** Changes what a holder has by `units`, whether or not the limit allows it; `free`: what it does not need just now. */
export async function changeSlice(tx: Tx, holder: string, meter: string, units: number, free: number): Promise<void> {
  await tx`insert into limit_slices ${tx({ meter, holder, units, free })}
    on conflict (meter, holder) do update set units = limit_slices.units + excluded.units, free = excluded.free`;
  await tx`delete from limit_slices where meter = ${meter} and holder = ${holder} and units <= 0`;
}

/** Meters that nobody holds anything of, some of them: their uses may be old, and then nobody needs them. */
export async function idleMeters(sql: Sql, most: number): Promise<string[]> {
  const rows: Row[] = await sql`select meter from limit_meters
    where not exists (select 1 from limit_slices where limit_slices.meter = limit_meters.meter) limit ${most}`;
  return rows.map((row) => toText(row["meter"]));
}

/** In a transaction for one meter only: two that take several in different orders would wait for each other for ever. */
export async function sweepMeter(tx: Tx, meter: string, before: number): Promise<void> {
  await lockMeter(tx, meter);
  await tx`delete from limit_uses where meter = ${meter} and at < ${before}`;
  await tx`delete from limit_meters where meter = ${meter} and wanted_at < ${before}
    and not exists (select 1 from limit_slices where limit_slices.meter = limit_meters.meter)
    and not exists (select 1 from limit_uses where limit_uses.meter = limit_meters.meter)`;
}

/** Meters of which somebody wants what others may have to spare. */
export async function wantedMeters(sql: Sql, since: number): Promise<Set<string>> {
  const rows: Row[] = await sql`select meter from limit_meters where wanted_at > ${since}`;
  return new Set(rows.map((row) => toText(row["meter"])));
}
