import { afterAll, expect, test } from "bun:test";
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lastWords, markStart, openLog, readLog, tailLog } from "./log-file.ts";

const folder = mkdtempSync(join(tmpdir(), "flock-log-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a tail is the newest lines, oldest first, also of a line that is not ended", () => {
  const path = join(folder, "a.log");
  writeFileSync(path, "one\ntwo\nthree");
  expect(tailLog(path, 2)).toEqual(["two", "three"]);
  expect(tailLog(path, 100)).toEqual(["one", "two", "three"]);
  expect(tailLog(join(folder, "none.log"), 5)).toEqual([]);
});

test("a tail of a huge log reads its end only, and starts with a whole line", () => {
  const path = join(folder, "huge.log");
  writeFileSync(path, `${"x".repeat(99)}\n`.repeat(20_000));
  const lines = tailLog(path, 1_000_000);
  expect(lines.length).toBeLessThan(6_000);
  expect(new Set(lines)).toEqual(new Set(["x".repeat(99)]));
});

test("a log over 10 MB is put aside before the next start, a smaller one is continued", () => {
  const path = join(folder, "big.log");
  writeFileSync(path, "old\n");
  closeSync(openLog(path));
  expect(tailLog(path, 5)).toEqual(["old"]);
  truncateSync(path, 11 * 1024 * 1024);
  closeSync(openLog(path));
  expect(existsSync(`${path}.1`)).toBe(true);
  expect(statSync(path).size).toBe(0);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("the last words of a child are of its own life", () => {
  const path = join(folder, "words.log");
  writeFileSync(path, "said by an earlier one\n");
  const fd = openLog(path);
  markStart(fd, 0);
  closeSync(fd);
  expect(lastWords(path)).toBeNull();
  writeFileSync(path, "first\nsecond\n\n", { flag: "a" });
  expect(lastWords(path)).toBe("second");
});

test("a log is followed from place to place, whole lines only, also past a log that was begun anew", () => {
  const path = join(folder, "followed.log");
  expect(readLog(path, 5)).toEqual({ lines: [], next: null });
  writeFileSync(path, "one\ntwo\nthr");
  const first = readLog(path, 1);
  expect(first.lines).toEqual(["two"]);
  appendFileSync(path, "ee\nfour\n");
  const second = readLog(path, 1, first.next ?? "");
  expect(second.lines).toEqual(["three", "four"]);
  renameSync(path, `${path}.1`);
  writeFileSync(path, "five\n");
  expect(readLog(path, 5, second.next ?? "").lines).toEqual(["five"]);
});
