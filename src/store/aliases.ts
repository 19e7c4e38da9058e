import { nextVersion } from "./change-counts.ts";
import { type Row, toNumber, toText } from "./row-value.ts";
import type { Sql, Tx } from "./store.ts";

/** A name that clients may use for a model, or for another alias. */
export interface Alias {
  readonly name: string;
  readonly model: string;
  /** The one key that it is for; null: everybody. */
  readonly keyId: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

function fromRow(row: Row): Alias {
  const keyId = toText(row["key_id"]);
  return {
    name: toText(row["name"]),
    model: toText(row["model"]),
    keyId: keyId === "" ? null : keyId,
    createdAt: toNumber(row["created_at"]),
    updatedAt: toNumber(row["updated_at"]),
  };
}

/** Everybody's first, then key by key. */
export async function listAliases(sql: Sql): Promise<Alias[]> {
  const rows: Row[] = await sql`select * from aliases`;
  // Not by the database: its collation may be a language's.
  const order = ({ keyId, name }: Alias): string => `${keyId ?? ""}\0${name}`;
  return rows.map(fromRow).sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

export async function putAlias(tx: Tx, alias: Pick<Alias, "name" | "model" | "keyId">, now: number): Promise<void> {
  await nextVersion(tx, "aliases");
  const { name, model, keyId } = alias;
  const row = { key_id: keyId ?? "", name, model, created_at: now, updated_at: now };
  await tx`insert into aliases ${tx(row)}
    on conflict (key_id, name) do update set model = excluded.model, updated_at = excluded.updated_at`;
}

export async function removeAlias(tx: Tx, name: string, keyId: string | null): Promise<void> {
  await nextVersion(tx, "aliases");
  await tx`delete from aliases where name = ${name} and key_id = ${keyId ?? ""}`;
}
