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

/** Where a database is and how to get in. May hold a password: never log it or put it into a message. */
export type StoreAddress = SqliteAddress | PostgresAddress;

export interface SqliteAddress {
  readonly kind: "sqlite";
  /** Absolute. */
  readonly path: string;
}

export interface PostgresAddress {
  readonly kind: "postgres";
  /** A name or an IP address; one that starts with `/` is the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly sslMode: "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full";
  /** File with the certificates to trust; "": those of the system. */
  readonly sslRootCert: string;
  readonly channelBinding: "disable" | "prefer" | "require";
  /** Settings of the session, such as `search_path`. */
  readonly options: Readonly<Record<string, string>>;
}

/**
 * How a write transaction takes turns with those of other processes on the same database. SQLite has one writer at a
 * time anyway. On PostgreSQL `alone` waits until no other write of Flock runs; `beside others` runs at the same time as
 * its like: for writes that are right in any order and lock their rows in one order. `apart` waits for no other write: for
 * rows that nothing else writes, and that are locked one by one.
 */
export type Turn = "alone" | "beside others" | "apart";

/** A database connection. */
export interface Db {
  readonly kind: StoreAddress["kind"];
  readonly sql: Sql;
  /**
   * Runs `run` in one write transaction; a throw rolls it back and is thrown again. Write transactions of one handle
   * run one after the other, and by default no other process writes meanwhile. Waits for another process's lock without
   * blocking the event loop, then throws the database's error (`toStoreProblem` makes it `locked`).
   * Inside `run` await nothing but the statements of its `tx`.
   */
  write<T>(run: (tx: Tx) => Promise<T>, turn?: Turn): Promise<T>;
  /** Waits for the running transactions, then closes. Safe to call twice. */
  close(): Promise<void>;
}

export interface Store extends Db {
  readonly clock: Clock;
  readonly address: StoreAddress;
}

export type StoreProblemKind =
  | "newer_schema"
  | "damaged"
  | "unwritable"
  | "disk_full"
  | "locked"
  | "unsupported_dsn"
  /** The database server does not answer, or not in time. */
  | "unreachable"
  /** The server refuses this user. */
  | "access_denied"
  | "no_database"
  | "failed";

/** Why the store cannot be used. Nothing was deleted or overwritten. */
export interface StoreProblem {
  readonly kind: StoreProblemKind;
  /** One line: what is wrong and where, without secrets. */
  readonly message: string;
  /** The command that mends it, ready to paste. */
  readonly mend: string;
}
