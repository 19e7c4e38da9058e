import { chmodSync, closeSync, mkdirSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { codeOf } from "../core/error-code.ts";
import { err, ok, type Result } from "../core/result.ts";
import { shellQuote } from "../core/shell-quote.ts";
import type { StartProblem } from "./start-problem.ts";

/** What the database and the journal of a new Flock need at least. */
const PROBE_BYTES = 1024 * 1024;

/**
 * Makes the data directory and what lies in it, readable by its owner only, and proves that it can be written to: it is
 * better to stop here than to lose a record later.
 */
export function prepareDataDirectory(dataDir: string): Result<void, StartProblem> {
  try {
    for (const directory of [dataDir, join(dataDir, "logs"), join(dataDir, "journal"), join(dataDir, "models")]) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    }
    if ((statSync(dataDir).mode & 0o077) !== 0) chmodSync(dataDir, 0o700);
    const probe = join(dataDir, `.write-probe-${process.pid}`);
    const file = openSync(probe, "w", 0o600);
    try {
      const bytes = Buffer.alloc(PROBE_BYTES);
      // A disk that is nearly full takes a part, and refuses only the next write.
      for (let written = 0; written < PROBE_BYTES;) written += writeSync(file, bytes, written);
    } finally {
      closeSync(file);
      rmSync(probe, { force: true });
    }
    return ok(undefined);
  } catch (cause) {
    return err(explainDirectory(dataDir, cause));
  }
}

/** What the file system said of the data directory, as one line and the command that mends it. */
export function explainDirectory(dataDir: string, cause: unknown): StartProblem {
  const code = codeOf(cause);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return {
      kind: "disk_full",
      message: `no space is left for ${dataDir}`,
      mend: `df -h ${shellQuote(dataDir)}   # free some, or: FLOCK_DATA_DIR=<directory on another disk> flock up`,
    };
  }
  const why = code === "ENOTDIR" || code === "EEXIST" ? "is not a directory" : "cannot be written to";
  return {
    kind: "unwritable",
    message: `the data directory ${dataDir} ${why}${code === "" ? "" : ` (${code})`}`,
    mend: `ls -ld ${shellQuote(dataDir)}   # mend its owner and mode, or: FLOCK_DATA_DIR=<another directory> flock up`,
  };
}
