import { closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

const ROTATE_OVER_BYTES = 10 * 1024 * 1024;
const TAIL_BYTES = 512 * 1024;
/** Begins the line that the supervisor writes before each start, so that a tail shows where a life begins. */
const START_MARK = "--- flock started this engine";

export function engineLogPath(dataDir: string, id: string): string {
  return join(dataDir, "logs", `${id}.log`);
}

/**
 * Opens for appending; the caller closes it. A file that has grown too big becomes `<path>.1` first (one is kept).
 * Only here: a running child writes to the file itself, and nothing can be taken away beneath it.
 */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > ROTATE_OVER_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, "a", 0o600);
}

export function markStart(fd: number, epochMs: number): void {
  writeSync(fd, `${START_MARK} at ${new Date(epochMs).toISOString()}\n`);
}

/** The newest lines, oldest first, out of at most the last 512 KB. Empty when there is no log. */
export function tailLog(path: string, lines: number): string[] {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return [];
  }
  try {
    const size = fstatSync(fd).size;
    const from = Math.max(0, size - TAIL_BYTES);
    const bytes = Buffer.alloc(size - from);
    const read = readSync(fd, bytes, 0, bytes.length, from);
    const all = bytes.subarray(0, read).toString("utf8").split("\n");
    // The first piece is the end of a line that began before the window.
    if (from > 0) all.shift();
    if (all.at(-1) === "") all.pop();
    return lines > 0 ? all.slice(-lines) : [];
  } finally {
    closeSync(fd);
  }
}

export interface LogPiece {
  /** Oldest first. */
  readonly lines: readonly string[];
  /** The place after the last of them, for the next piece; null: there is no log. */
  readonly next: string | null;
}

/**
 * What stands after a place that an earlier piece gave, whole lines only. Without a place, or when the log was begun anew
 * since, its newest lines.
 */
export function readLog(path: string, lines: number, after?: string): LogPiece {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return { lines: [], next: null };
  const [file = "", offset = ""] = after?.split("-") ?? [];
  const from = Number(offset);
  if (file !== String(stat.ino) || !(from <= stat.size)) {
    const start = Math.max(0, stat.size - TAIL_BYTES);
    const [tail, end] = wholeLines(path, start, stat.size);
    // The first piece is the end of a line that began before the window.
    const newest = tail.slice(start > 0 ? 1 : 0).slice(-lines);
    return { lines: newest, next: `${stat.ino}-${end}` };
  }
  const [since, end] = wholeLines(path, from, Math.min(stat.size, from + TAIL_BYTES));
  return { lines: since, next: `${stat.ino}-${end}` };
}

/** With the place after them: a line that is being written belongs to the next piece. */
function wholeLines(path: string, from: number, to: number): [lines: string[], end: number] {
  const bytes = readRange(path, from, to);
  const length = bytes.lastIndexOf(0x0a) + 1;
  const text = bytes.subarray(0, length).toString("utf8");
  return [text === "" ? [] : text.slice(0, -1).split("\n"), from + length];
}

function readRange(path: string, from: number, to: number): Buffer {
  const fd = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(to - from);
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, from));
  } finally {
    closeSync(fd);
  }
}

/** What the child said last in its present life, cut to one readable line; null when it said nothing. */
export function lastWords(path: string): string | null {
  const line = tailLog(path, 20).findLast((text) => text.trim() !== "");
  if (line === undefined || line.startsWith(START_MARK)) return null;
  return line.trim().slice(0, 400);
}
