import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { damaged, StoreProblemError } from "./store-problem.ts";

/** The file is made here, before SQLite does, so that it never has a wider mode; SQLite gives its own files the same. */
export function prepareFile(path: string): void {
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
export function checkHeader(path: string): void {
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
