import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { journalFileName } from "../telemetry/journal-file.ts";
import { type KeyRecord, insertKey } from "./keys.ts";
import { openStore } from "./open-store.ts";
import { rebuildDay } from "./rebuild-rollups.ts";
import { toNumber } from "./row-value.ts";
import { settleAll } from "./settle-journal.ts";
import type { Store } from "./store.ts";
import { usageRecord } from "../core/test-usage-record.ts";
import { onEachDatabase, type TestStore } from "./test-store.ts";
import { ensureUser } from "./users.ts";

const DAY = Date.UTC(2026, 0, 15);
const RECORDS = 2000;
const WRITERS = 3;
const KEYS = 5;

/** Records of few groups, so that all writers meet in the same rows of the rollups, in an order of their own. */
function writeJournal(t: TestStore, writer: number): string {
  const dir = join(t.dir, `journal-${writer}`);
  mkdirSync(dir);
  const records = Array.from({ length: RECORDS }, (_, index) => {
    const turn = writer % 2 === 0 ? index : RECORDS - index;
    // One in ten is in every journal: a directory that was copied, say.
    const id = index % 10 === 0 ? `shared-${turn}` : `w${writer}-${index}`;
    return usageRecord(id, { at: DAY + (turn % 24) * 3_600_000, keyId: `key_${turn % KEYS}`, promptTokens: 10 });
  });
  const lines = records.map((record) => `${JSON.stringify(record)}\n`).join("");
  writeFileSync(join(dir, journalFileName(1, `aa${writer}`)), lines);
  writeFileSync(join(dir, journalFileName(2, `aa${writer}`)), "");
  return dir;
}

async function handles(t: TestStore): Promise<Store[]> {
  const stores: Store[] = [];
  for (let writer = 0; writer < WRITERS; writer += 1) {
    const opened = await openStore({ dsn: t.dsn, dataDir: t.dir, clock: t.clock, log: t.log });
    if (!opened.ok) throw new Error(opened.error.message);
    stores.push(opened.value);
  }
  return stores;
}

async function addKeys({ store }: TestStore): Promise<void> {
  await store.write(async (tx) => {
    const { id: userId, name: userName } = await ensureUser(tx, "alice", 1);
    const limits = { dailyTokens: 0, requestsPerMinute: 0, tokensPerMinute: 0, concurrency: 0 };
    const times = { createdAt: 1, expiresAt: null, revokedAt: null, lastUsedAt: null };
    for (let index = 0; index < KEYS; index += 1) {
      const names = { id: `key_${index}`, name: `key-${index}`, userId, userName, hash: `h${index}`, prefix: "p" };
      const key: KeyRecord = {
        ...names,
        ...times,
        limits,
        models: [],
        localOnly: false,
        priority: "interactive",
        scope: "user",
      };
      await insertKey(tx, key);
    }
  });
}

onEachDatabase((openTestStore) => {
  test("several journals settled at once, while rollups are rebuilt and keys change, add up to the rows", async () => {
    await using t = await openTestStore();
    await addKeys(t);
    const stores = await handles(t);
    const dirs = stores.map((_, writer) => writeJournal(t, writer));
    const over = new AbortController();
    const settled = Promise.all(stores.map((store, writer) => settleAll(store, dirs[writer] ?? "", t.log)));
    const disturb = async (): Promise<void> => {
      while (!over.signal.aborted) {
        // SQLite answers without a turn of the event loop: the others' timers must get one.
        await Bun.sleep(1);
        await rebuildDay(t.store, DAY);
        await t.store.write(async (tx) => void (await tx`update keys set last_used_at = 1 where revoked_at is null`));
      }
    };
    const disturbing = disturb();
    const imported = await settled.finally(() => over.abort());
    await disturbing;

    const rows: { n: unknown }[] = await t.store.sql`select count(*) as n from usage`;
    const total = imported.reduce((sum, count) => sum + count, 0);
    expect(toNumber(rows[0]?.n)).toBe(total);
    expect(total).toBeGreaterThan(RECORDS * WRITERS * 0.9);
    for (const table of ["usage_hourly", "usage_daily"]) {
      const [sums]: { requests: number; tokens: number }[] = await t.store.sql`
        select cast(sum(requests) as integer) as requests, cast(sum(prompt_tokens) as integer) as tokens
        from ${t.store.sql(table)}`;
      expect([table, sums?.requests, sums?.tokens]).toEqual([table, total, total * 10]);
    }
    for (const [writer, store] of stores.entries()) {
      // Nobody's position was taken for another's, nor forgotten.
      expect(await settleAll(store, dirs[writer] ?? "", t.log)).toBe(0);
      await store.close();
    }
  }, 30_000);

  test("a record that no database takes as it is does not hold up those behind it", async () => {
    await using t = await openTestStore();
    const dir = join(t.dir, "journal");
    mkdirSync(dir);
    const odd = [
      usageRecord("nul", { requestedModel: "a\0b" }),
      usageRecord("surrogate", { requestedModel: "a\ud800b" }),
      usageRecord("long", { requestedModel: Array.from({ length: 9000 }, (_, index) => index).join("€") }),
      usageRecord("huge", { promptTokens: 1e300, latencyMs: 1e300, attempts: 1e12 }),
      usageRecord("huge-2", { promptTokens: Number.MAX_SAFE_INTEGER, priceMicros: -1e300 }),
      usageRecord("behind"),
    ];
    writeFileSync(join(dir, journalFileName(1)), odd.map((record) => `${JSON.stringify(record)}\n`).join(""));
    expect(await settleAll(t.store, dir, t.log)).toBe(odd.length);
    const rows: { request_id: string }[] = await t.store
      .sql`select request_id from usage where requested_model = ${"a\ufffdb"}`;
    expect(rows.map((row) => row.request_id).sort()).toEqual(["nul", "surrogate"]);
  });
});
