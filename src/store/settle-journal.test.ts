import { expect, test } from "bun:test";
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { UsageRecord } from "../core/usage-record.ts";
import { journalFileName } from "../telemetry/journal-file.ts";
import { insertKey } from "./keys.ts";
import { rebuildDay } from "./rebuild-rollups.ts";
import { usedTokensOfDay } from "./rollups.ts";
import { settleAll, settleOnce } from "./settle-journal.ts";
import type { Db } from "./store.ts";
import { usageRecord } from "../core/test-usage-record.ts";
import { onEachDatabase, temporaryDir, type TestStore } from "./test-store.ts";
import { recentUsage } from "./usage.ts";
import { ensureUser } from "./users.ts";

function lines(records: readonly UsageRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join("");
}

function journalOf(t: TestStore): string {
  const dir = join(t.dir, "journal");
  mkdirSync(dir, { recursive: true });
  return dir;
}

/** PostgreSQL gives a `bigint` as text. */
function plain(value: unknown): unknown {
  return typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
}

async function ids(db: Db): Promise<string[]> {
  const rows: { request_id: string }[] = await db.sql`select request_id from usage order by request_id`;
  return rows.map((row) => row.request_id);
}

async function rollups(db: Db): Promise<unknown[]> {
  const hourly: object[] = await db.sql`select * from usage_hourly
    order by bucket, user_id, key_id, requested_model, served_model, node, protocol, outcome`;
  const daily: object[] = await db.sql`select * from usage_daily
    order by bucket, user_id, key_id, requested_model, served_model, node, protocol, outcome`;
  return [[...hourly], [...daily]];
}

onEachDatabase((openTestStore) => {
  test("a settled record reads back whole, with the names of its user and key", async () => {
    await using t = await openTestStore();
    await t.store.write(async (tx) => {
      const user = await ensureUser(tx, "alice", 1);
      const limits = { dailyTokens: 0, requestsPerMinute: 0, tokensPerMinute: 0, concurrency: 0 };
      const times = { createdAt: 1, expiresAt: null, revokedAt: null, lastUsedAt: null };
      const key = {
        id: "key_1",
        name: "laptop",
        userId: user.id,
        userName: "alice",
        scope: "user" as const,
        hash: "h",
        prefix: "p",
      };
      await insertKey(tx, { ...key, ...times, limits, models: [], localOnly: false, priority: "interactive" });
    });
    const { id } = await t.store.write((tx) => ensureUser(tx, "alice", 1));
    const record = usageRecord("a", { userId: id, ttftMs: null, outcome: "error", errorKind: "engine_failed" });
    writeFileSync(
      join(journalOf(t), journalFileName(1)),
      lines([record, usageRecord("b", { at: record.at + 5, userId: "anonymous" })]),
    );
    expect(await settleAll(t.store, journalOf(t), t.log)).toBe(2);

    const [newest, oldest] = await recentUsage(t.store.sql, { limit: 10 });
    expect(newest).toMatchObject({ requestId: "b", userName: "" });
    expect(oldest).toEqual({ ...record, latencyMs: 120, userName: "alice", keyName: "laptop" });
    const found = async (query: Parameters<typeof recentUsage>[1]) =>
      (await recentUsage(t.store.sql, query)).map((entry) => entry.requestId);
    expect(await found({ limit: 10, user: "alice" })).toEqual(["a"]);
    expect(await found({ limit: 10, user: id })).toEqual(["a"]);
    expect(await found({ limit: 10, user: "anonymous" })).toEqual(["b"]);
    expect(await found({ limit: 10, user: "nobody" })).toEqual([]);
    expect(await found({ limit: 1 })).toEqual(["b"]);
    expect(await found({ limit: 10, before: record.at + 5 })).toEqual(["a"]);
    const [key]: { last_used_at: number }[] = await t.store.sql`select last_used_at from keys`;
    expect(plain(key?.last_used_at)).toBe(record.at + 5);
  });

  test("rollups add up by hour and by day, and the day's tokens by key", async () => {
    await using t = await openTestStore();
    const day = Date.UTC(2026, 0, 15);
    const records = [
      usageRecord("a", { at: day, latencyMs: 16 }),
      usageRecord("b", { at: day + 3_599_999, latencyMs: 17, outcome: "error" }),
      usageRecord("c", { at: day + 3_600_000, latencyMs: 1e9 }),
      usageRecord("d", { at: day + 3_600_001, keyId: "key_2", promptTokens: 100 }),
      usageRecord("e", { at: day - 1 }),
    ];
    writeFileSync(join(journalOf(t), journalFileName(1)), lines(records));
    await settleAll(t.store, journalOf(t), t.log);
    const hourly = await t.store.sql`select bucket, key_id, outcome, requests, prompt_tokens, errors, latency_ms,
    latency_0, latency_1, latency_15 from usage_hourly order by bucket, key_id, outcome`.values();
    expect([...(hourly as unknown as unknown[][])].map((row) => row.map(plain))).toEqual([
      [day - 3_600_000, "key_1", "ok", 1, 10, 0, 120, 0, 0, 0],
      [day, "key_1", "error", 1, 10, 1, 17, 0, 1, 0],
      [day, "key_1", "ok", 1, 10, 0, 16, 1, 0, 0],
      [day + 3_600_000, "key_1", "ok", 1, 10, 0, 1e9, 0, 0, 1],
      [day + 3_600_000, "key_2", "ok", 1, 100, 0, 120, 0, 0, 0],
    ]);
    expect(await usedTokensOfDay(t.store.sql, day)).toEqual(
      new Map([
        ["key_1", 45],
        ["key_2", 105],
      ]),
    );
    expect(await usedTokensOfDay(t.store.sql, day + 86_400_000)).toEqual(new Map());
  });

  test("settling the same journal twice, or a journal copied back, counts nothing twice", async () => {
    await using t = await openTestStore();
    using copy = temporaryDir();
    const dir = journalOf(t);
    const records = Array.from({ length: 5500 }, (_, index) => usageRecord(`r${index}`, { keyId: `key_${index % 7}` }));
    writeFileSync(join(dir, journalFileName(1)), lines([...records, ...records.slice(0, 10)]));
    writeFileSync(join(dir, journalFileName(2)), "");
    cpSync(dir, copy.path, { recursive: true });

    // A process that dies between two batches starts again with what the store knows.
    expect((await settleOnce(t.store, dir, t.log)).imported).toBe(4000);
    expect(await settleAll(t.store, dir, t.log)).toBe(1500);
    const first = await rollups(t.store);
    expect(readdirSync(dir)).toEqual([journalFileName(2)]);
    expect(await settleAll(t.store, dir, t.log)).toBe(0);

    copyFileSync(join(copy.path, journalFileName(1)), join(dir, journalFileName(1)));
    expect(await settleAll(t.store, dir, t.log)).toBe(0);
    expect((await ids(t.store)).length).toBe(5500);
    expect(await rollups(t.store)).toEqual(first);
    expect((await t.store.sql`select file from journal_position`.values()).length).toBe(0);
  });

  test("a file of an old name with other content is read from its start", async () => {
    await using t = await openTestStore();
    const file = join(journalOf(t), journalFileName(1));
    writeFileSync(file, lines([usageRecord("a"), usageRecord("b")]));
    await settleAll(t.store, journalOf(t), t.log);
    writeFileSync(file, lines([usageRecord("c")]));
    expect(await settleAll(t.store, journalOf(t), t.log)).toBe(1);
    expect(await ids(t.store)).toEqual(["a", "b", "c"]);
  });

  test("a line still being written is waited for; a torn one in an old file is passed over and counted", async () => {
    await using t = await openTestStore();
    const dir = journalOf(t);
    const whole = lines([usageRecord("b")]);
    writeFileSync(join(dir, journalFileName(1)), lines([usageRecord("a")]) + whole.slice(0, 40));
    expect(await settleAll(t.store, dir, t.log)).toBe(1);
    appendFileSync(join(dir, journalFileName(1)), whole.slice(40));
    expect(await settleAll(t.store, dir, t.log)).toBe(1);

    appendFileSync(join(dir, journalFileName(1)), `not json\n${lines([usageRecord("c")])}${whole.slice(0, 40)}`);
    writeFileSync(join(dir, journalFileName(2)), lines([usageRecord("d")]));
    expect(await settleAll(t.store, dir, t.log)).toBe(2);
    expect(await ids(t.store)).toEqual(["a", "b", "c", "d"]);
    expect(readdirSync(dir)).toEqual([journalFileName(2)]);
    expect(t.log.lines.map((line) => [line.level, line.fields["lines"]])).toEqual([["warn", 2]]);
  });

  test("nine megabytes of garbage does not stop what comes after it", async () => {
    await using t = await openTestStore();
    const dir = journalOf(t);
    writeFileSync(join(dir, journalFileName(1)), `${"x".repeat(9_000_000)}\n${lines([usageRecord("a")])}`);
    expect(await settleAll(t.store, dir, t.log)).toBe(1);
  });

  test("ten times as many groups take about ten times as long, not a hundred times", async () => {
    const settleMs = async (count: number): Promise<number> => {
      await using t = await openTestStore();
      const records = Array.from({ length: count }, (_, index) => usageRecord(`r${index}`, { keyId: `key_${index}` }));
      writeFileSync(join(journalOf(t), journalFileName(1)), lines(records));
      const start = performance.now();
      expect(await settleAll(t.store, journalOf(t), t.log)).toBe(count);
      return performance.now() - start;
    };
    // Before and after, so that what else this machine does meets both alike.
    const [before, many, after] = [await settleMs(500), await settleMs(5_000), await settleMs(500)];
    expect(many / Math.max(before, after)).toBeLessThan(40);
  }, 120_000);

  test("wherever a journal is cut and settled again, rollups equal a rebuild from the rows", async () => {
    const record = fc.record({
      at: fc.integer({ min: Date.UTC(2026, 0, 15), max: Date.UTC(2026, 0, 16) - 1 }),
      keyId: fc.constantFrom("k1", "k2"),
      outcome: fc.constantFrom("ok" as const, "error" as const, "cancelled" as const),
      latencyMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
      promptTokens: fc.nat(1e6),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 30 }), fc.nat(), async (changes, cut) => {
        await using t = await openTestStore();
        const dir = journalOf(t);
        const file = join(dir, journalFileName(1));
        const all = lines(changes.map((change, index) => usageRecord(`r${index}`, change)));
        writeFileSync(file, all);
        truncateSync(file, cut % (all.length + 1));
        await settleAll(t.store, dir, t.log);
        writeFileSync(file, all);
        await settleAll(t.store, dir, t.log);
        expect((await ids(t.store)).length).toBe(changes.length);
        const settled = await rollups(t.store);
        await rebuildDay(t.store, Date.UTC(2026, 0, 15));
        expect(await rollups(t.store)).toEqual(settled);
      }),
      { numRuns: 15 },
    );
  });

  test("what is not a journal file is left alone, and no directory is an empty journal", async () => {
    await using t = await openTestStore();
    expect(await settleAll(t.store, join(t.dir, "nowhere"), t.log)).toBe(0);
    writeFileSync(join(journalOf(t), "notes.txt"), "mine");
    await settleAll(t.store, journalOf(t), t.log);
    expect(readFileSync(join(journalOf(t), "notes.txt"), "utf8")).toBe("mine");
  });
});
