import { expect, test } from "bun:test";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openUsageJournal } from "../telemetry/usage-journal.ts";
import { startSettler } from "./settler.ts";
import { usageRecord } from "../core/test-usage-record.ts";
import { onEachDatabase, openTestStore, rejection, type TestStore, until } from "./test-store.ts";

async function count(t: TestStore): Promise<number> {
  const rows: { n: number }[] = await t.store.sql`select cast(count(*) as integer) as n from usage`;
  return rows[0]?.n ?? 0;
}

function start(t: TestStore) {
  const dir = join(t.dir, "journal");
  const journal = openUsageJournal(dir, { fsync: false, log: t.log });
  return { journal, settler: startSettler({ address: t.store.address, dir, log: t.log }) };
}

onEachDatabase((openTestStore) => {
  test("settled resolves when all that was appended is in the store", async () => {
    await using t = await openTestStore();
    const { journal, settler } = start(t);
    await Promise.all(Array.from({ length: 1500 }, (_, index) => journal.append(usageRecord(`r${index}`))));
    await settler.settled();
    expect(await count(t)).toBe(1500);
    await settler.stop();
    await journal.close();
  });

  test("it settles by itself, and once more when it is stopped", async () => {
    await using t = await openTestStore();
    const { journal, settler } = start(t);
    await journal.append(usageRecord("a"));
    await until(async () => (await count(t)) === 1);
    await journal.append(usageRecord("b"));
    await settler.stop();
    expect(await count(t)).toBe(2);
    expect(await rejection(settler.settled())).toContain("stopped");
    await settler.stop();
    await journal.close();
  });

  test("a lock of another connection is waited for", async () => {
    await using t = await openTestStore();
    const { journal, settler } = start(t);
    let settled = false;
    const release = Promise.withResolvers<void>();
    const lock = t.store.write(() => release.promise);
    await journal.append(usageRecord("a"));
    const done = settler.settled().then(() => (settled = true));
    await Bun.sleep(50);
    expect(settled).toBe(false);
    release.resolve();
    await lock;
    await done;
    expect(await count(t)).toBe(1);
    await settler.stop();
    await journal.close();
  });
});

test("while the file is damaged nothing is lost, health says so, and it goes on when it is back", async () => {
  await using t = await openTestStore();
  await t.store.close();
  const path = join(t.dir, "state.db");
  renameSync(path, `${path}.away`);
  writeFileSync(path, "not a database, and long enough to be looked at ".repeat(10));
  const { journal, settler } = start(t);
  await journal.append(usageRecord("a"));
  const settled = settler.settled();
  await until(() => !settler.health().ok);
  expect(t.log.lines.filter((line) => line.level === "warn")).toHaveLength(1);
  const gaveUp = settler.settled(AbortSignal.timeout(20));
  expect(await rejection(gaveUp)).toContain("timed out");
  renameSync(`${path}.away`, path);
  await settled;
  expect(settler.health()).toEqual({ ok: true, problem: null });
  await settler.stop();
  await journal.close();
  const db = new Bun.SQL({ adapter: "sqlite", filename: path });
  expect(await db`select request_id from usage`.values()).toEqual([["a"]] as never);
  await db.close();
});
