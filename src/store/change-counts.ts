import { type Row, toNumber, toText } from "./row-value.ts";
import type { Sql, Tx } from "./store.ts";

/** What a leader keeps in memory of the database, so that another leader's change must reach it. */
export type Counted = "keys" | "aliases" | "settings" | "nodes" | "jobs";

export type ChangeCounts = Readonly<Record<Counted, number>>;

/**
 * The next number of `name`, for the rows of this change. Only in a write that runs `alone`: numbers are then seen in
 * their order, and who has read up to one has missed none below it.
 */
export async function nextVersion(tx: Tx, name: Counted): Promise<number> {
  const rows: Row[] = await tx`
    insert into change_counts ${tx({ name, version: 1 })}
    on conflict (name) do update set version = change_counts.version + 1 returning version`;
  return toNumber(rows[0]?.["version"]);
}

export async function changeCounts(sql: Sql): Promise<ChangeCounts> {
  const rows: Row[] = await sql`select name, version from change_counts`;
  const counts = { keys: 0, aliases: 0, settings: 0, nodes: 0, jobs: 0 };
  for (const row of rows) {
    const name = toText(row["name"]);
    if (name in counts) counts[name as Counted] = toNumber(row["version"]);
  }
  return counts;
}
