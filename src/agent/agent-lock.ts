import { Database } from "bun:sqlite";
import { join } from "node:path";

/** Held until `release`, or until this process ends in whatever way. */
export interface AgentLock {
  release(): void;
}

/**
 * One agent per data directory. The lock is the kernel's (SQLite's, on an empty file): it ends with the process also
 * after `kill -9`, so there is no stale lock to judge and no race between two that start at once. Null: another has it.
 */
export function takeAgentLock(dataDir: string): AgentLock | null {
  const database = new Database(join(dataDir, "agent.lock"), { create: true });
  try {
    database.run("pragma busy_timeout = 0");
    database.run("pragma journal_mode = off");
    database.run("begin exclusive");
  } catch (error) {
    database.close();
    if (error instanceof Error && "code" in error && error.code === "SQLITE_BUSY") return null;
    throw error;
  }
  return { release: () => database.close() };
}
