import { Database } from "bun:sqlite";
import { join } from "node:path";
import { codeOf } from "../core/error-code.ts";

/** Held until `release`, or until this process ends in whatever way. */
export interface DirectoryLock {
  release(): void;
}

/**
 * One process of a kind (`agent`, `leader`) per data directory. The lock is the kernel's (SQLite's, on an empty file): it
 * ends with the process also after `kill -9`, so there is no stale lock to judge and no race between two that start at
 * once. Null: another has it. Throws when the file itself cannot be made or opened.
 */
export function takeDirectoryLock(dataDir: string, name: string): DirectoryLock | null {
  const database = new Database(join(dataDir, `${name}.lock`), { create: true });
  try {
    database.run("pragma busy_timeout = 0");
    // In memory, so that a full disk does not stop an agent from being started again.
    database.run("pragma journal_mode = memory");
    database.run("begin exclusive");
  } catch (error) {
    database.close();
    if (codeOf(error) === "SQLITE_BUSY") return null;
    throw error;
  }
  return { release: () => database.close() };
}
