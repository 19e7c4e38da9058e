import { SQL } from "bun";
import type { ConnectOptions } from "./connect.ts";
import { guarded } from "./guarded-sql.ts";
import type { Db, PostgresAddress, Sql, Turn, Tx } from "./store.ts";

const LOCK_WAIT_MS = 5000;
const CONNECT_SECONDS = 5;
/** A firewall may have forgotten a connection that was quiet for longer. */
const IDLE_SECONDS = 30;
const STATEMENT_MS = { loop: 15_000, worker: 60_000 } as const;
const CONNECTIONS = { loop: 4, worker: 1 } as const;
/** How much longer than the server's own limit an answer may take before the connection counts as dead. */
const DEAD_AFTER_MS = 5000;
/** Statements of one transaction are few and quick; this is for a server that has gone silent in the middle. */
const STATEMENTS_OF_WRITE = 2;
/** First half of the advisory lock that writers take turns with; the schema's hash is the second. */
const WRITERS_LOCK = 0x464c_4f43;

/** Opens a pool on a PostgreSQL server. Throws the driver's error when the server cannot be used. */
export async function connectPostgres(address: PostgresAddress, options: ConnectOptions): Promise<Db> {
  const { thread, lockWaitMs = LOCK_WAIT_MS, statementMs = STATEMENT_MS[thread] } = options;
  const open = (): Sql =>
    new SQL({
      adapter: "postgres",
      ...(address.host.startsWith("/") ? { path: address.host } : { hostname: address.host }),
      port: address.port,
      username: address.user,
      password: address.password,
      database: address.database,
      tls: tlsOf(address),
      channelBinding: address.channelBinding,
      max: CONNECTIONS[thread],
      connectionTimeout: CONNECT_SECONDS,
      idleTimeout: IDLE_SECONDS,
      // Inserts of many rows are a new statement for each count of rows, and large: the server would keep them all.
      prepare: thread === "loop",
      connection: {
        application_name: "flock",
        lock_timeout: lockWaitMs,
        statement_timeout: statementMs,
        // A process that stopped in the middle of a transaction must not hold up the others' writes for ever.
        idle_in_transaction_session_timeout: 60_000,
        ...address.options,
      },
    });
  const limitOf = (statements: number): number => statements * statementMs + Math.min(statementMs, DEAD_AFTER_MS);
  const pool = guarded(open, limitOf(1));
  try {
    await checkEncoding(pool.sql);
  } catch (cause) {
    await pool.close();
    throw cause;
  }
  const writeMs = limitOf(STATEMENTS_OF_WRITE);
  return withWrites(
    pool.sql,
    (turn, run) => pool.within(writeMs, (sql) => begin(sql, turn, run)),
    () => pool.close(),
  );
}

function withWrites(
  sql: Sql,
  write: <T>(turn: Turn, run: (tx: Tx) => Promise<T>) => Promise<T>,
  close: () => Promise<void>,
): Db {
  let last: Promise<unknown> = Promise.resolve();
  const running = new Set<Promise<unknown>>();
  let closed: Promise<void> | null = null;
  return {
    kind: "postgres",
    sql,
    write<T>(run: (tx: Tx) => Promise<T>, turn: Turn = "alone"): Promise<T> {
      if (turn === "apart") {
        const beside = write(turn, run);
        running.add(beside);
        const forget = (): boolean => running.delete(beside);
        beside.then(forget, forget);
        return beside;
      }
      // One after the other here already: waiting for the lock on the server would take up the pool's connections.
      const written = last.then(() => write(turn, run));
      last = written.catch(() => undefined);
      return written;
    },
    close() {
      closed ??= Promise.allSettled([last, ...running]).then(close);
      return closed;
    },
  };
}

async function begin<T>(sql: Sql, turn: Turn, run: (tx: Tx) => Promise<T>): Promise<T> {
  let value: { readonly result: T } | null = null;
  await sql.begin(async (tx) => {
    await takeTurn(tx, turn);
    value = { result: await run(tx) };
  });
  if (value === null) throw new Error("a transaction ended without running");
  return (value as { readonly result: T }).result;
}

async function takeTurn(tx: Tx, turn: Turn): Promise<void> {
  const lock = tx(turn === "alone" ? "pg_advisory_xact_lock" : "pg_advisory_xact_lock_shared");
  const locked = turn === "apart" ? tx`1` : tx`${lock}(${WRITERS_LOCK}, hashtext(current_schema()))`;
  // What is settled is deleted from the journal: a server that only promises to write it must be made to do so.
  await tx`select ${locked},
    case when current_setting('synchronous_commit') = 'off' then set_config('synchronous_commit', 'on', true) end`;
}

/** Another encoding would refuse some models' names on some day, and usage would be stuck in the journal. */
async function checkEncoding(sql: Sql): Promise<void> {
  const rows: { encoding: string }[] = await sql`select current_setting('server_encoding') as encoding`;
  const encoding = rows[0]?.encoding ?? "";
  if (encoding !== "UTF8") throw new WrongEncodingError(encoding);
}

export class WrongEncodingError extends Error {
  readonly encoding: string;
  constructor(encoding: string) {
    super(`the database's encoding is ${encoding}`);
    this.encoding = encoding;
  }
}

/** With a certificate of one's own the driver also checks the host's name: stricter than libpq's `verify-ca`, never laxer. */
function tlsOf({ sslMode, sslRootCert }: PostgresAddress): PostgresAddress["sslMode"] | Bun.BunFile {
  return sslRootCert === "" ? sslMode : Bun.file(sslRootCert);
}
