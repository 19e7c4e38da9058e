import { SQL } from "bun";
import type { ConnectOptions } from "./connect.ts";
import { codeOf } from "../core/error-code.ts";
import type { Db, Sql, Tx } from "./store.ts";

const LOCK_WAIT_MS = 5000;
const LOCK_RETRY_MS = 5;

/** Opens the SQLite file at `path`, which must exist. Throws SQLite's error when it cannot be used. */
export async function connectSqlite(path: string, { thread, lockWaitMs = LOCK_WAIT_MS }: ConnectOptions): Promise<Db> {
  const sql = new SQL({ adapter: "sqlite", filename: path });
  try {
    await sql.unsafe(`pragma busy_timeout = ${thread === "loop" ? LOCK_RETRY_MS : lockWaitMs}`);
    await retryWhileLocked(lockWaitMs, () => sql`pragma journal_mode = WAL`);
    await sql.unsafe(`pragma synchronous = ${thread === "loop" ? "NORMAL" : "FULL"}`);
    await sql`pragma foreign_keys = ON`;
  } catch (cause) {
    await sql.close();
    throw cause;
  }
  return open(sql, lockWaitMs);
}

function open(sql: Sql, lockWaitMs: number): Db {
  const running = new Set<Promise<unknown>>();
  let closed: Promise<void> | null = null;
  return {
    kind: "sqlite",
    sql,
    write<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
      const written = transaction(sql, lockWaitMs, run);
      running.add(written);
      const forget = (): boolean => running.delete(written);
      written.then(forget, forget);
      return written;
    },
    close() {
      closed ??= Promise.allSettled(running).then(() => sql.close());
      return closed;
    },
  };
}

/** A deferred BEGIN could fail in the middle, when its first write meets a lock: take the lock at the start. */
async function transaction<T>(sql: Sql, lockWaitMs: number, run: (tx: Tx) => Promise<T>): Promise<T> {
  let started = false;
  let value: { readonly result: T } | null = null;
  await retryWhileLocked(
    lockWaitMs,
    () =>
      sql.begin("immediate", async (tx) => {
        started = true;
        value = { result: await run(tx) };
      }),
    () => !started,
  );
  if (value === null) throw new Error("a transaction ended without running");
  return (value as { readonly result: T }).result;
}

async function retryWhileLocked(
  waitMs: number,
  attempt: () => Promise<unknown>,
  repeatable: () => boolean = () => true,
): Promise<void> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (cause) {
      if (!codeOf(cause).startsWith("SQLITE_BUSY") || !repeatable() || performance.now() > deadline) throw cause;
      await Bun.sleep(LOCK_RETRY_MS);
    }
  }
}
