import { nextVersion } from "./change-counts.ts";
import { type Row, toJson, toText } from "./row-value.ts";
import type { Sql, Tx } from "./store.ts";

/** Settings that people changed at run time, by dotted name. Flags, environment and file shadow some of them. */
export async function allSettings(sql: Sql): Promise<Map<string, unknown>> {
  const rows: Row[] = await sql`select name, value from settings`;
  return new Map(rows.map((row) => [toText(row["name"]), toJson(row["value"])]));
}

export async function putSetting(tx: Tx, name: string, value: unknown, now: number): Promise<void> {
  await nextVersion(tx, "settings");
  await tx`insert into settings ${tx({ name, value: JSON.stringify(value), updated_at: now })}
    on conflict (name) do update set value = excluded.value, updated_at = excluded.updated_at`;
}

export async function removeSetting(tx: Tx, name: string): Promise<void> {
  await nextVersion(tx, "settings");
  await tx`delete from settings where name = ${name}`;
}
