import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Sql } from "./store.ts";

const KEPT = 3;

export interface KeptCopy {
  readonly path: string;
  /** The migration that was about to run; the copy's schema is older than this. */
  readonly beforeVersion: number;
}

/** Copies made before migrations, newest first. */
export function copiesOf(path: string): KeptCopy[] {
  const prefix = `${basename(path)}.before-`;
  let names: string[];
  try {
    names = readdirSync(dirname(path));
  } catch {
    return [];
  }
  return names
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => ({ path: join(dirname(path), name), beforeVersion: Number(name.slice(prefix.length)) }))
    .sort((a, b) => b.beforeVersion - a.beforeVersion);
}

/**
 * Keeps a whole copy of the database as `<path>.before-<version>`, readable by its owner only. Written under another
 * name first: a copy with the final name is always complete. Must run outside a transaction.
 */
export async function keepCopy(sql: Sql, path: string, beforeVersion: number): Promise<string> {
  const target = `${path}.before-${beforeVersion}`;
  const partial = `${target}.partial`;
  rmSync(partial, { force: true });
  try {
    // VACUUM INTO accepts an empty file, and keeps its mode.
    closeSync(openSync(partial, "wx", 0o600));
    await sql`vacuum into ${partial}`;
    const file = openSync(partial, "r");
    fsyncSync(file);
    closeSync(file);
  } catch (cause) {
    rmSync(partial, { force: true });
    throw cause;
  }
  renameSync(partial, target);
  for (const old of copiesOf(path).slice(KEPT)) rmSync(old.path, { force: true });
  return target;
}
