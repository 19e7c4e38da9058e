import type { Clock } from "../core/clock.ts";
import { err, ok, type Result } from "../core/result.ts";
import { storeAddress } from "./address.ts";
import { connect } from "./connect.ts";
import { migrate } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/all.ts";
import type { Migration } from "./migrations/migration.ts";
import { checkHeader, prepareFile } from "./sqlite-file.ts";
import type { Db, Log, Store, StoreAddress, StoreProblem } from "./store.ts";
import { toStoreProblem } from "./store-problem.ts";

/** Another process may be at a migration that rewrites a large table: to give up on it early would help nobody. */
const MIGRATION_LOCK_WAIT_MS = 600_000;

export interface OpenStoreOptions {
  /** A path (relative: to the data directory), `sqlite:<path>`, "" for `state.db` there, or `postgres://…`. */
  readonly dsn: string;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** For tests of migrations. */
  readonly migrations?: readonly Migration[];
}

/**
 * Opens the database and brings it to the newest schema. A SQLite file is made when there is none, readable by its
 * owner only; a PostgreSQL database must exist. When it cannot be used the answer says why; nothing has changed then.
 */
export async function openStore(options: OpenStoreOptions): Promise<Result<Store, StoreProblem>> {
  const located = storeAddress(options.dsn, options.dataDir);
  if (!located.ok) return located;
  const address = located.value;
  let db: Db | null = null;
  try {
    if (address.kind === "sqlite") {
      prepareFile(address.path);
      checkHeader(address.path);
    }
    db = await connect(address, { thread: "loop" });
    await bringUpToDate(db, address, options);
    return ok({ ...db, clock: options.clock, address });
  } catch (cause) {
    await db?.close();
    return err(toStoreProblem(cause, address));
  }
}

async function bringUpToDate(db: Db, address: StoreAddress, options: OpenStoreOptions): Promise<void> {
  const { clock, log, migrations = MIGRATIONS } = options;
  if (address.kind === "sqlite") return migrate(db, { address, clock, log, migrations });
  const patient = await connect(address, { thread: "worker", lockWaitMs: MIGRATION_LOCK_WAIT_MS, statementMs: 0 });
  try {
    await migrate(patient, { address, clock, log, migrations });
  } finally {
    await patient.close();
  }
}
