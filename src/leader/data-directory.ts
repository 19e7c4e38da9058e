import { chmodSync, closeSync, mkdirSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result } from "../core/result.ts";
import type { StartProblem } from "./start-problem.ts";

const PROBE_BYTES = 64 * 1024;

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
      writeSync(file, Buffer.alloc(PROBE_BYTES));
    } finally {
      closeSync(file);
      rmSync(probe, { force: true });
    }
    return ok(undefined);
  } catch (cause) {
    return err(explain(dataDir, cause));
  }
}

function explain(dataDir: string, cause: unknown): StartProblem {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (code === "ENOSPC" || code === "EDQUOT") {
    return {
      kind: "disk_full",
      message: `no space is left for ${dataDir}`,
      mend: `df -h ${dataDir}   # free some, or: FLOCK_DATA_DIR=<directory on another disk> flock up`,
    };
  }
  const why = code === "ENOTDIR" || code === "EEXIST" ? "is not a directory" : "cannot be written to";
  return {
    kind: "unwritable",
    message: `the data directory ${dataDir} ${why}${code === "" ? "" : ` (${code})`}`,
    mend: `ls -ld ${dataDir}   # mend its owner and mode, or: FLOCK_DATA_DIR=<another directory> flock up`,
  };
}
