import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { usageRecord } from "../core/test-usage-record.ts";
import { listJournalFiles } from "./journal-file.ts";
import { RunReader } from "./journal-line.ts";
import { type JournalLog, openUsageJournal } from "./usage-journal.ts";

function temporaryDir(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "flock-journal-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function collectingLog(): JournalLog & { readonly lines: string[] } {
  const lines: string[] = [];
  return { lines, warn: (message) => void lines.push(message), error: (message) => void lines.push(message) };
}

function idsIn(dir: string): string[] {
  return listJournalFiles(dir)
    .flatMap((file) => readFileSync(join(dir, file), "utf8").split("\n").slice(0, -1))
    .flatMap((line) => new RunReader().read(line)?.rows.map(([id]) => id) ?? `torn: ${line}`);
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("the condition did not come true in time");
    await Bun.sleep(2);
  }
}

for (const fsync of [false, true]) {
  test(`a record is in the file when append resolves${fsync ? ", with fsync" : ""}`, async () => {
    using dir = temporaryDir();
    const journal = openUsageJournal(dir.path, { fsync, log: collectingLog() });
    const ids = Array.from({ length: 50 }, (_, index) => `r${index}`);
    await Promise.all(
      ids.map(async (id) => {
        await journal.append(usageRecord(id, { routeReason: "ä→ü" }));
        expect(idsIn(dir.path)).toContain(id);
      }),
    );
    await journal.append(usageRecord("later"));
    expect(idsIn(dir.path)).toEqual([...ids, "later"]);
    expect(journal.health()).toEqual({ ok: true, pending: 0, dropped: 0, problem: null });
    await journal.close();
  });
}

test("files are private, start anew at each opening and when one is full, and sort in the order of writing", async () => {
  using dir = temporaryDir();
  writeFileSync(join(dir.path, "usage-900000000000000.jsonl"), "{torn");
  const journal = openUsageJournal(dir.path, { fsync: false, log: collectingLog(), rollBytes: 500 });
  for (let index = 0; index < 6; index += 1) await journal.append(usageRecord(`r${index}`));
  await journal.close();
  const files = listJournalFiles(dir.path);
  expect(files.length).toBeGreaterThan(3);
  expect(readFileSync(join(dir.path, files[0] ?? ""), "utf8")).toBe("{torn");
  expect(idsIn(dir.path)).toEqual(["r0", "r1", "r2", "r3", "r4", "r5"]);
  for (const file of files.slice(1)) expect(statSync(join(dir.path, file)).mode & 0o777).toBe(0o600);
});

test("append after close counts the record as lost and does not hang", async () => {
  using dir = temporaryDir();
  const journal = openUsageJournal(dir.path, { fsync: false, log: collectingLog() });
  await journal.close();
  await journal.append(usageRecord("late"));
  expect(journal.health()).toMatchObject({ ok: false, dropped: 1 });
});

for (const fsync of [false, true]) {
  test(`a process killed right after append resolves leaves the line${fsync ? ", with fsync" : ""}`, async () => {
    using dir = temporaryDir();
    const program = `
      const { openUsageJournal } = await import(${JSON.stringify(join(import.meta.dir, "usage-journal.ts"))});
      const log = { warn() {}, error() {} };
      const journal = openUsageJournal(${JSON.stringify(dir.path)}, { fsync: ${fsync}, log });
      const record = ${JSON.stringify(usageRecord("x"))};
      await Promise.all(Array.from({ length: 32 }, (_, i) => journal.append({ ...record, requestId: "r" + i })));
      process.kill(process.pid, "SIGKILL");`;
    const child = Bun.spawn([process.execPath, "-e", program], { stdout: "ignore", stderr: "inherit" });
    await child.exited;
    expect(child.signalCode).toBe("SIGKILL");
    expect(idsIn(dir.path)).toEqual(Array.from({ length: 32 }, (_, index) => `r${index}`));
  });
}

/** So that 300 records do not fit the disk. */
const LONG = "x".repeat(200);
const mountable = process.platform === "linux" && process.getuid?.() === 0 && mounts();

function mounts(): boolean {
  using dir = temporaryDir();
  const mount = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir.path], { stderr: "ignore" });
  if (mount.exitCode !== 0) return false;
  Bun.spawnSync(["umount", dir.path]);
  return true;
}

describe.skipIf(!mountable)("full disk (needs root and mount: sudo npm test)", () => {
  async function onFullDisk(run: (dir: string, makeRoom: () => void) => Promise<void>): Promise<void> {
    using dir = temporaryDir();
    Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir.path]);
    try {
      await run(dir.path, () => void Bun.spawnSync(["mount", "-o", "remount,size=8m", dir.path]));
    } finally {
      Bun.spawnSync(["umount", dir.path]);
    }
  }

  test("records wait in memory, answers do not, and every line is whole once there is room", async () => {
    await onFullDisk(async (dir, makeRoom) => {
      const log = collectingLog();
      const journal = openUsageJournal(dir, { fsync: false, log, retryMs: 20 });
      const ids = Array.from({ length: 400 }, (_, index) => `r${index}`);
      // The first tick fills the disk in the middle of its write.
      await Promise.all(ids.slice(0, 300).map((id) => journal.append(usageRecord(id, { routeReason: LONG }))));
      expect(journal.health()).toMatchObject({ ok: false, pending: 300, dropped: 0 });
      for (const id of ids.slice(300)) await journal.append(usageRecord(id));
      expect(journal.health().pending).toBe(400);
      expect(log.lines).toEqual(["the usage journal cannot be written; records are kept in memory"]);
      makeRoom();
      await until(() => journal.health().pending === 0);
      expect(journal.health()).toEqual({ ok: true, pending: 0, dropped: 0, problem: null });
      expect(idsIn(dir)).toEqual(ids);
      await journal.append(usageRecord("after"));
      expect(idsIn(dir)).toEqual([...ids, "after"]);
      await journal.close();
    });
  });

  test("memory is bounded: what comes on top is lost loudly", async () => {
    await onFullDisk(async (dir) => {
      const log = collectingLog();
      const journal = openUsageJournal(dir, { fsync: false, log, retryMs: 20, maxPendingRecords: 300 });
      await Promise.all(
        Array.from({ length: 312 }, (_, index) => journal.append(usageRecord(`r${index}`, { routeReason: LONG }))),
      );
      expect(journal.health()).toMatchObject({ ok: false, pending: 300, dropped: 12 });
      expect(log.lines.filter((line) => line.includes("lost"))).toHaveLength(2);
      await journal.close();
      expect(log.lines.at(-1)).toContain("usage records were lost");
      expect(readdirSync(dir)).toHaveLength(1);
    });
  });
});
