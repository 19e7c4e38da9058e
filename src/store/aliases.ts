import { type Row, toNumber, toText } from "./row-value.ts";
import type { Sql, Tx } from "./store.ts";

/** A name that clients may use for a model. */
export interface Alias {
  readonly name: string;
  readonly model: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

function fromRow(row: Row): Alias {
  return {
    name: toText(row["name"]),
    model: toText(row["model"]),
    createdAt: toNumber(row["created_at"]),
    updatedAt: toNumber(row["updated_at"]),
  };
}

export async function listAliases(sql: Sql): Promise<Alias[]> {
  const rows: Row[] = await sql`select * from aliases`;
  // Not by the database: its collation may be a language's.
  return rows.map(fromRow).sort((a, b) => (a.name < b.name ? -1 : 1));
}

export async function putAlias(tx: Tx, alias: { name: string; model: string }, now: number): Promise<void> {
  const row = { name: alias.name, model: alias.model, created_at: now, updated_at: now };
  await tx`insert into aliases ${tx(row)}
    on conflict (name) do update set model = excluded.model, updated_at = excluded.updated_at`;
}

/** False when there was none. */
export async function removeAlias(tx: Tx, name: string): Promise<boolean> {
  const rows: Row[] = await tx`delete from aliases where name = ${name} returning name`;
  return rows.length > 0;
}
