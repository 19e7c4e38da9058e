import type { Clock } from "../core/clock.ts";
import { keepCopy } from "./kept-copies.ts";
import { type Migration } from "./migrations/migration.ts";
import { dumpCommand } from "./postgres-problem.ts";
import { toNumber } from "./row-value.ts";
import type { Db, Log, Sql, StoreAddress } from "./store.ts";
import { newerSchema, StoreProblemError } from "./store-problem.ts";

export interface MigrateOptions {
  readonly address: StoreAddress;
  readonly clock: Clock;
  readonly log: Log;
  /** In ascending order of version, without gaps. */
  readonly migrations: readonly Migration[];
}

/** Brings the schema to the newest version, each migration in a transaction of its own. Refuses a newer schema. */
export async function migrate(db: Db, { address, clock, log, migrations }: MigrateOptions): Promise<void> {
  const known = migrations.at(-1)?.version ?? 0;
  const found = await schemaVersion(db.sql, address);
  if (found > known) throw new StoreProblemError(newerSchema(address, found, known));
  const pending = migrations.filter((migration) => migration.version > found);
  const first = pending[0];
  if (first === undefined) return;
  if (found > 0) await keepOrTell(db, address, first.version, log);
  for (const migration of pending) {
    await db.write(async (tx) => {
      await tx`create table if not exists schema_version
        (version integer primary key, name text not null, applied_at bigint not null)`;
      // Another process may have come first while this one waited for the lock.
      if ((await schemaVersion(tx, address)) >= migration.version) return;
      await migration.up(tx, db.kind);
      const row = { version: migration.version, name: migration.name, applied_at: clock.now() };
      await tx`insert into schema_version ${tx(row)}`;
    });
  }
}

/** The server's data is not ours to copy (docs/decisions/0020): the operator's own backup is what there is. */
async function keepOrTell(db: Db, address: StoreAddress, version: number, log: Log): Promise<void> {
  if (address.kind === "sqlite") {
    log.info("kept a copy of the store", { copy: await keepCopy(db.sql, address.path, version) });
    return;
  }
  log.warn("the schema is about to change; no copy is made of a PostgreSQL database", {
    toVersion: version,
    backup: dumpCommand(address, `flock-before-${version}.dump`),
  });
}

/** 0 for an empty database. A database of another program is not ours to change. */
async function schemaVersion(sql: Sql, { kind }: StoreAddress): Promise<number> {
  const tables: { name: string }[] =
    kind === "sqlite"
      ? await sql`select name from sqlite_master where type = 'table'`
      : await sql`select tablename as name from pg_tables where schemaname = current_schema()`;
  if (tables.length === 0) return 0;
  if (!tables.some((table) => table.name === "schema_version")) {
    throw new StoreProblemError({
      kind: "damaged",
      message: "the store holds tables but no schema version: it is not a database of Flock",
      mend: kind === "sqlite" ? "flock up --data-dir DIR" : "createdb flock   # and name it in storage.dsn",
    });
  }
  const rows: { version: unknown }[] = await sql`select max(version) as version from schema_version`;
  return toNumber(rows[0]?.version ?? 0);
}
