import { renameSync, rmSync, writeFileSync } from "node:fs";

/**
 * Readers see the old text or the new one, never half of it, and nobody but this user sees any. Synchronous: the files
 * are a few hundred bytes and must be on disk before the next step (a child without its record would be an orphan).
 */
export function writeFileAtomic(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
