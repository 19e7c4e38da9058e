import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readSync, statSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { err, ok, type Result } from "../core/result.ts";
import { connect } from "./connect.ts";
import { migrate } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/all.ts";
import type { Migration } from "./migrations/migration.ts";
import type { Db, Log, Store, StoreProblem } from "./store.ts";
import { damaged, StoreProblemError, toStoreProblem } from "./store-problem.ts";

export interface OpenStoreOptions {
  /** A path (relative: to the data directory), `sqlite:<path>`, or "" for `state.db` in the data directory. */
  readonly dsn: string;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** For tests of migrations. */
  readonly migrations?: readonly Migration[];
}

/**
 * Opens the database, makes it when there is none, and brings it to the newest schema. Files are readable by their
 * owner only. When it cannot be used the answer says why; the files are left as they were.
 */
export async function openStore(options: OpenStoreOptions): Promise<Result<Store, StoreProblem>> {
  const located = databasePath(options.dsn, options.dataDir);
  if (!located.ok) return located;
  const path = located.value;
  let db: Db | null = null;
  try {
    prepareFile(path);
    checkHeader(path);
    db = await connect(path, { thread: "loop" });
    await migrate(db, { path, clock: options.clock, log: options.log, migrations: options.migrations ?? MIGRATIONS });
    return ok({ ...db, clock: options.clock, path });
  } catch (cause) {
    await db?.close();
    return err(toStoreProblem(cause, path));
  }
}

/** Where the database of a DSN is. */
export function databasePath(dsn: string, dataDir: string): Result<string, StoreProblem> {
  const scheme = /^([a-z][a-z0-9+]*):/i.exec(dsn)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "sqlite" && scheme !== "file") {
    return err({
      kind: "unsupported_dsn",
      message: `storage.dsn names ${scheme}; this version keeps its data in SQLite only`,
      mend: "flock config edit   # storage.dsn: a file path, or leave it out",
    });
  }
  const path = dsn.replace(/^(sqlite|file):(\/\/)?/i, "") || "state.db";
  return ok(isAbsolute(path) ? path : join(dataDir, path));
}

/** The file is made here, before SQLite does, so that it never has a wider mode; SQLite gives its own files the same. */
function prepareFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, "a", 0o600));
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    if (existsSync(file) && (statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
  }
}

const MAGIC = "SQLite format 3\0";
const HEADER_BYTES = 100;

/**
 * Reads the first 100 bytes: the magic, and whether the file is as long as it says. SQLite itself finds a cut file
 * only when it needs a page that is missing, which may be days later; `pragma quick_check` reads every page.
 * https://www.sqlite.org/fileformat.html#the_database_header
 */
function checkHeader(path: string): void {
  const file = openSync(path, "r");
  const header = Buffer.alloc(HEADER_BYTES);
  let read: number;
  try {
    read = readSync(file, header, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(file);
  }
  if (read === 0) return;
  if (read < HEADER_BYTES || header.toString("latin1", 0, MAGIC.length) !== MAGIC) {
    throw new StoreProblemError(damaged(path, "it is not a SQLite file"));
  }
  const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  const pages = header.readUInt32BE(28);
  const pagesAreCurrent = header.readUInt32BE(24) === header.readUInt32BE(92);
  // With a write-ahead log the rest may still be in there.
  const hasLog = existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0;
  const sizeBytes = statSync(path).size;
  if (pagesAreCurrent && !hasLog && sizeBytes < pages * pageBytes) {
    throw new StoreProblemError(damaged(path, `it is cut: ${sizeBytes} of ${pages * pageBytes} bytes`));
  }
}
