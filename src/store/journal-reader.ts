import { closeSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import type { UsageRun } from "../core/usage-record.ts";
import { listJournalFiles } from "../telemetry/journal-file.ts";
import { RunReader } from "../telemetry/journal-line.ts";

/** About what a batch takes; when it is more, the rest is the next batch. A line longer than this is not ours. */
const READ_BYTES = 2 * 1024 * 1024;
const NEWLINE = 10;

export interface JournalBatch {
  readonly file: string;
  readonly runs: readonly UsageRun[];
  /** Offset behind the last byte that was taken. */
  readonly endOffset: number;
  /** Lines that are not whole records and were passed over. */
  readonly badLines: number;
}

export interface JournalScan {
  /** The next batch; null: nothing is left. */
  readonly batch: JournalBatch | null;
  /** Files that are wholly read and will not grow. */
  readonly finished: readonly string[];
}

/** Reads on from `positions` (byte offset by file name), oldest file first, until there are `limit` records. */
export function scanJournal(dir: string, positions: ReadonlyMap<string, number>, limit: number): JournalScan {
  // Listed before any size is taken: a file that is not the newest by then has stopped growing.
  const files = listJournalFiles(dir);
  const finished: string[] = [];
  for (const [index, file] of files.entries()) {
    const isNewest = index === files.length - 1;
    const sizeBytes = statSync(join(dir, file)).size;
    const known = positions.get(file) ?? 0;
    // Shorter than what was read of it: another file under an old name. Ids make reading it again harmless.
    const from = known > sizeBytes ? 0 : known;
    const batch =
      from < sizeBytes ? readBatch(dir, file, from, Math.min(sizeBytes - from, READ_BYTES), isNewest, limit) : null;
    if (batch !== null) return { batch, finished };
    if (!isNewest) finished.push(file);
  }
  return { batch: null, finished };
}

function readBatch(
  dir: string,
  file: string,
  from: number,
  sizeBytes: number,
  growing: boolean,
  limit: number,
): JournalBatch | null {
  const bytes = readAt(join(dir, file), from, sizeBytes);
  const reader = new RunReader();
  const runs: UsageRun[] = [];
  let badLines = 0;
  let start = 0;
  for (let records = 0; records < limit && start < bytes.length;) {
    const newline = bytes.indexOf(NEWLINE, start);
    const whole = newline !== -1;
    // A line without an end: still being written, or torn by a power cut when the file grows no more.
    if (!whole && bytes.length < READ_BYTES && growing) break;
    if (!whole && bytes.length === READ_BYTES && start > 0) break;
    const end = whole ? newline : bytes.length;
    const run = reader.read(bytes.toString("utf8", start, end));
    if (run === null) badLines += 1;
    else runs.push(run);
    records += run?.rows.length ?? 1;
    start = whole ? end + 1 : end;
  }
  return start === 0 ? null : { file, runs, endOffset: from + start, badLines };
}

function readAt(path: string, offset: number, sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  const file = openSync(path, "r");
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, sizeBytes, offset));
  } finally {
    closeSync(file);
  }
}
