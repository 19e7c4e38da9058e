import { connectPostgres } from "./connect-postgres.ts";
import { connectSqlite } from "./connect-sqlite.ts";
import type { Db, StoreAddress } from "./store.ts";

export interface ConnectOptions {
  /**
   * `loop`: the gateway's thread, where SQLite may not sleep: a lock is waited for by trying again.
   * `worker`: a thread of its own, whose commits also survive a power cut.
   */
  readonly thread: "loop" | "worker";
  readonly lockWaitMs?: number;
  /** PostgreSQL: the longest that one statement may take; 0: for ever. */
  readonly statementMs?: number;
}

/** Opens the database, which must exist. Throws the driver's error when it cannot be used. */
export function connect(address: StoreAddress, options: ConnectOptions): Promise<Db> {
  return address.kind === "sqlite" ? connectSqlite(address.path, options) : connectPostgres(address, options);
}
