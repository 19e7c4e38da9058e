import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openRecords, settleLeftovers } from "./leader/records.ts";
import { usageRecord } from "../core/test-usage-record.ts";
import { openTestStore, type TestStore, until } from "../store/test-store.ts";
import type { Log } from "../telemetry/log.ts";
import { openUsageJournal } from "../telemetry/usage-journal.ts";

const nothing = (): void => undefined;
const log: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
const partsOf = ({ store, dir }: TestStore) => ({ store, dir: join(dir, "journal"), fsync: false, log });

async function recorded(t: TestStore): Promise<string[]> {
  const rows: { request_id: string }[] = await t.store.sql`select request_id from usage order by request_id`;
  return rows.map(({ request_id }) => request_id);
}

test("what a leader that has handed over cannot bring into the database as it ends stays for the next one", async () => {
  await using t = await openTestStore();
  const parts = partsOf(t);
  const away = { ...t.store, address: { kind: "sqlite" as const, path: join(t.dir, "away", "state.db") } };
  const records = openRecords({ ...parts, store: away });
  await records.handOver();
  await records.append(usageRecord("last"));
  await records.close();
  expect(await recorded(t)).toEqual([]);
  await settleLeftovers(parts);
  expect(await recorded(t)).toEqual(["last"]);
  expect(existsSync(join(parts.dir, `process-${process.pid}`))).toBe(false);
});

test("what the leader before leaves that is killed at its last answers comes in without another start", async () => {
  await using t = await openTestStore();
  const parts = partsOf(t);
  const before = Bun.spawn(["sleep", "60"]);
  const records = openRecords(parts, [before.pid]);
  const folder = join(parts.dir, `process-${before.pid}`);
  const journal = openUsageJournal(folder, { fsync: false, log });
  await journal.append(usageRecord("last"));
  before.kill("SIGKILL");
  await before.exited;
  await until(async () => (await recorded(t)).length === 1);
  await until(() => !existsSync(folder));
  await journal.close();
  await records.close();
});
