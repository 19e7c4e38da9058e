import { type Row, toNumber, toNumberOrNull, toText } from "./row-value.ts";
import type { Db, Sql, Tx } from "./store.ts";

/** A process that has set parts of limits aside, until when its word counts. */
export interface Holder {
  readonly id: string;
  /** The data directory that it works in, and which process it is: a later one there can tell whether it is gone. */
  readonly home: string;
}

/** The database's own time where several machines share it, and till when the holder's slices count; null: it has none. */
export async function holderAt(
  sql: Sql,
  kind: Db["kind"],
  holder: string,
  clockMs: number,
): Promise<{ readonly now: number; readonly expiresAt: number | null }> {
  const time =
    kind === "postgres" ? sql`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)` : sql`${clockMs}`;
  const rows: Row[] = await sql`
    select ${time} as now, (select expires_at from limit_holders where holder = ${holder}) as expires_at`;
  return { now: toNumber(rows[0]?.["now"]), expiresAt: toNumberOrNull(rows[0]?.["expires_at"]) };
}

export async function liveHolders(sql: Sql, now: number): Promise<string[]> {
  const rows: Row[] = await sql`select holder from limit_holders where expires_at > ${now}`;
  return rows.map((row) => toText(row["holder"]));
}

export async function keepHolder(tx: Tx, { id, home }: Holder, expiresAt: number): Promise<void> {
  await tx`insert into limit_holders ${tx({ holder: id, home, expires_at: expiresAt })}
    on conflict (holder) do update set expires_at = excluded.expires_at`;
}

/** With all that it has set aside. */
export async function dropHolder(tx: Tx, holder: string): Promise<void> {
  await tx`delete from limit_slices where holder = ${holder}`;
  await tx`delete from limit_holders where holder = ${holder}`;
}

/** Where all holders work, live or not. */
export async function allHolders(sql: Sql): Promise<Holder[]> {
  const rows: Row[] = await sql`select holder, home from limit_holders`;
  return rows.map((row) => ({ id: toText(row["holder"]), home: toText(row["home"]) }));
}

/** What counts no more anyhow: slices of holders that died before `before`, and meters that nobody holds anything of. */
export async function sweepLimits(tx: Tx, before: number): Promise<void> {
  await tx`delete from limit_slices where holder in (select holder from limit_holders where expires_at < ${before})`;
  await tx`delete from limit_holders where expires_at < ${before}`;
  await tx`delete from limit_uses where at < ${before}`;
  await tx`delete from limit_meters where wanted_at < ${before}
    and not exists (select 1 from limit_slices where limit_slices.meter = limit_meters.meter)`;
}
