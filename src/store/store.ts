import type { SQL, TransactionSQL } from "bun";
import type { Clock } from "../core/clock.ts";

/** For reading. On SQLite it shares one connection with `write`, so a bare write here could vanish with a rollback there. */
export type Sql = SQL;
/** The only handle that writes: functions that change rows take this type, so that none can run outside a transaction. */
export type Tx = TransactionSQL;

export interface Log {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** A database connection. */
export interface Db {
  readonly sql: Sql;
  /**
   * Runs `run` in one write transaction; a throw rolls it back and is thrown again. Write transactions of one handle
   * run one after the other. Waits for another process's lock without blocking the event loop, then throws SQLITE_BUSY.
   * Inside `run` await nothing but the statements of its `tx`.
   */
  write<T>(run: (tx: Tx) => Promise<T>): Promise<T>;
  /** Waits for the running transactions, then closes. Safe to call twice. */
  close(): Promise<void>;
}

export interface Store extends Db {
  readonly clock: Clock;
  /** Absolute path of the database file. */
  readonly path: string;
}

export type StoreProblemKind =
  | "newer_schema"
  | "damaged"
  | "unwritable"
  | "disk_full"
  | "locked"
  | "unsupported_dsn"
  | "failed";

/** Why the store cannot be used. Nothing was deleted or overwritten. */
export interface StoreProblem {
  readonly kind: StoreProblemKind;
  /** One line: what is wrong, with the path. */
  readonly message: string;
  /** The command that mends it, ready to paste. */
  readonly mend: string;
}
