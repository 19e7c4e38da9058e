import { expect, test } from "bun:test";
import type { UsageRecord } from "../core/usage-record.ts";
import { MIGRATIONS } from "./migrations/all.ts";
import { openStore } from "./open-store.ts";
import type { Store } from "./store.ts";
import { usageRecord } from "../core/test-usage-record.ts";
import { FakeClock, onEachDatabase, putUsage, temporaryDir } from "./test-store.ts";
import { type RecentUsage, recentUsage } from "./usage.ts";

const AT = Date.UTC(2026, 0, 15, 12);

async function ids(store: Store, query: RecentUsage): Promise<string[]> {
  return (await recentUsage(store.sql, query)).map(({ requestId }) => requestId);
}

onEachDatabase((openTestStore) => {
  test("the newest of a user or a node, over all groups of their requests", async () => {
    await using t = await openTestStore();
    // Each user has three groups (models); u0 has most of the requests, u3 one, long ago.
    const records = Array.from({ length: 300 }, (_, index): UsageRecord => {
      const user = index === 7 ? "u3" : `u${index % 50 === 0 ? (index / 50) % 3 : 0}`;
      const names = { userId: user, node: `n${index % 2}`, servedModel: `m${index % 3}` };
      return usageRecord(`r${index}`, { at: AT + index, ...names });
    });
    await putUsage(t, records);
    const expected = (keep: (record: UsageRecord) => boolean, limit: number): string[] =>
      records
        .filter(keep)
        .toReversed()
        .slice(0, limit)
        .map(({ requestId }) => requestId);
    expect(await ids(t.store, { limit: 5 })).toEqual(expected(() => true, 5));
    expect(await ids(t.store, { limit: 5, before: AT + 8 })).toEqual(expected(({ at }) => at < AT + 8, 5));
    for (const user of ["u0", "u1", "u2", "u3", "nobody"]) {
      for (const limit of [1, 2, 10, 1000]) {
        expect(await ids(t.store, { limit, user })).toEqual(expected(({ userId }) => userId === user, limit));
      }
    }
    expect(await ids(t.store, { limit: 4, node: "n1" })).toEqual(expected(({ node }) => node === "n1", 4));
    const both = { user: "u0", node: "n0", before: AT + 100 };
    const isBoth = ({ userId, node, at }: UsageRecord): boolean => userId === "u0" && node === "n0" && at < AT + 100;
    expect(await ids(t.store, { limit: 20, ...both })).toEqual(expected(isBoth, 20));
  });
});

/** A store as the version before left it: each text in each row. */
test("usage of an earlier schema is there after the migration, row by row", async () => {
  using dir = temporaryDir();
  const clock = new FakeClock();
  const log = { info() {}, warn() {}, error() {} };
  const open = async (versions: number): Promise<Store> => {
    const opened = await openStore({
      dsn: "",
      dataDir: dir.path,
      clock,
      log,
      migrations: MIGRATIONS.slice(0, versions),
    });
    if (!opened.ok) throw new Error(opened.error.message);
    return opened.value;
  };
  const old = await open(4);
  const rows = Array.from({ length: 700 }, (_, index) => ({
    request_id: `r${index}`,
    at: AT + (index % 600),
    user_id: `u${index % 3}`,
    key_id: `k${index % 7}`,
    protocol: "openai",
    endpoint: "/v1/chat/completions",
    requested_model: index % 2 === 0 ? "auto" : "ä→ü",
    served_model: "m",
    node: "local",
    engine: "embedded",
    replica: "local/embedded/m",
    prompt_tokens: index,
    completion_tokens: 5,
    cached_tokens: 1,
    latency_ms: index * 3,
    ttft_ms: index % 5 === 0 ? null : index,
    queue_ms: 2,
    attempts: 1,
    route_reason: `prefix of ~${index} tokens`,
    price_micros: 4,
    outcome: index % 10 === 0 ? "error" : "ok",
    error_kind: index % 10 === 0 ? "engine_failed" : "",
  }));
  await old.write(async (tx) => void (await tx`insert into usage ${tx(rows)}`));
  await old.close();
  const store = await open(MIGRATIONS.length);
  const found: object[] = await store.sql`select * from usage order by prompt_tokens`;
  expect([...found]).toEqual(rows);
  expect(await ids(store, { limit: 3, user: "u1" })).toEqual(["r598", "r595", "r592"]);
  const groups: object[] = await store.sql`select id from usage_groups`;
  expect(groups.length).toBeLessThan(3 * 7 * 2 * 2 + 1);
  await store.close();
});
