import type { Clock } from "../core/clock.ts";
import { keepCopy } from "./kept-copies.ts";
import { type Migration } from "./migrations/migration.ts";
import { toNumber } from "./row-value.ts";
import type { Db, Log, Sql } from "./store.ts";
import { newerSchema, StoreProblemError } from "./store-problem.ts";

export interface MigrateOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** In ascending order of version, without gaps. */
  readonly migrations: readonly Migration[];
}

/** Brings the schema to the newest version, each migration in a transaction of its own. Refuses a newer schema. */
export async function migrate(db: Db, { path, clock, log, migrations }: MigrateOptions): Promise<void> {
  const known = migrations.at(-1)?.version ?? 0;
  const found = await schemaVersion(db.sql);
  if (found > known) throw new StoreProblemError(newerSchema(path, found, known));
  const pending = migrations.filter((migration) => migration.version > found);
  const first = pending[0];
  if (first === undefined) return;
  if (found > 0) log.info("kept a copy of the store", { copy: await keepCopy(db.sql, path, first.version) });
  for (const migration of pending) {
    await db.write(async (tx) => {
      await tx`create table if not exists schema_version
        (version integer primary key, name text not null, applied_at bigint not null)`;
      // Another process may have come first while this one waited for the lock.
      if ((await schemaVersion(tx)) >= migration.version) return;
      await migration.up(tx);
      const row = { version: migration.version, name: migration.name, applied_at: clock.now() };
      await tx`insert into schema_version ${tx(row)}`;
    });
  }
}

/** 0 for an empty database. A database of another program is not ours to change. */
async function schemaVersion(sql: Sql): Promise<number> {
  const tables: { name: string }[] = await sql`select name from sqlite_master where type = 'table'`;
  if (tables.length === 0) return 0;
  if (!tables.some((table) => table.name === "schema_version")) {
    throw new StoreProblemError({
      kind: "damaged",
      message: "the store holds tables but no schema version: it is not a database of Flock",
      mend: "flock up --data-dir DIR",
    });
  }
  const rows: { version: unknown }[] = await sql`select max(version) as version from schema_version`;
  return toNumber(rows[0]?.version ?? 0);
}
