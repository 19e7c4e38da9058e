import { type Row, toNumber, toNumberOrNull, toText } from "./row-value.ts";
import type { Db, Sql, Tx } from "./store.ts";

/** A process that has set parts of limits aside, until when its word counts. */
export interface Holder {
  readonly id: string;
  /** The data directory that it works in, and which process it is: a later one there can tell whether it is gone. */
  readonly home: string;
}

export interface HolderStanding {
  /** The database's own time, where several machines share it. */
  readonly now: number;
  /** Till when the holder's slices count; null: it has none. */
  readonly expiresAt: number | null;
  /** How many others there are. */
  readonly others: number;
}

export async function holderAt(sql: Sql, kind: Db["kind"], holder: string, clockMs: number): Promise<HolderStanding> {
  const time = (): unknown =>
    kind === "postgres" ? sql`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)` : sql`${clockMs}`;
  const rows: Row[] = await sql`
    select ${time()} as now,
      (select expires_at from limit_holders where holder = ${holder}) as expires_at,
      (select count(*) from limit_holders where holder <> ${holder} and expires_at > ${time()}) as others`;
  return {
    now: toNumber(rows[0]?.["now"]),
    expiresAt: toNumberOrNull(rows[0]?.["expires_at"]),
    others: toNumber(rows[0]?.["others"]),
  };
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

/** What counts no more anyhow: holders that died before `before`, with their slices. */
export async function sweepHolders(tx: Tx, before: number): Promise<void> {
  await tx`delete from limit_slices where holder in (select holder from limit_holders where expires_at < ${before})`;
  await tx`delete from limit_holders where expires_at < ${before}`;
}
