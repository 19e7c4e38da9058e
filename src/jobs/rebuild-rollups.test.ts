import { expect, test } from "bun:test";
import { join } from "node:path";
import { isEndState } from "../store/jobs.ts";
import { DAY_MS } from "../store/rollups.ts";
import { startSettler } from "../store/settler.ts";
import { usageRecord } from "../core/test-usage-record.ts";
import { onEachDatabase, putUsage, rejection, type TestStore, until } from "../store/test-store.ts";
import { openUsageJournal } from "../telemetry/usage-journal.ts";
import { JobRunner } from "./job-runner.ts";
import { REBUILD_ROLLUPS, rebuildRollups } from "./rebuild-rollups.ts";

const DAY = Date.UTC(2026, 0, 10);

async function sums(t: TestStore, table: string): Promise<unknown> {
  const rows: object[] = await t.store.sql`
    select cast(sum(requests) as integer) as requests, cast(sum(prompt_tokens) as integer) as tokens
    from ${t.store.sql(table)}`;
  return rows[0];
}

onEachDatabase((openTestStore) => {
  test("rollups are rebuilt day by day while usage is being settled, and nothing is lost or counted twice", async () => {
    await using t = await openTestStore();
    const dir = join(t.dir, "journal");
    const journal = openUsageJournal(dir, { fsync: false, log: t.log });
    const settler = startSettler({ address: t.store.address, dir, log: t.log });
    let written = 0;
    const append = (day: number) =>
      journal.append(usageRecord(`r${written++}`, { at: day + (written % 24) * 3_600_000 }));
    for (let index = 0; index < 600; index += 1) await append(DAY + (index % 3) * DAY_MS);
    await settler.settled();
    await t.store.write(async (tx) => {
      await tx`update usage_hourly set requests = 99`;
      await tx`delete from usage_daily where bucket = ${DAY}`;
    });

    const runner = new JobRunner({ store: t.store, log: t.log, kinds: [rebuildRollups(t.store.sql, settler)] });
    await runner.start();
    const job = await runner.enqueue(REBUILD_ROLLUPS, {}, "root");
    if (!job.ok) throw new Error(JSON.stringify(job.error));
    await until(async () => {
      await append(DAY + (written % 3) * DAY_MS);
      settler.poke();
      return isEndState((await runner.get(job.value.id))?.state ?? "queued");
    });
    await settler.settled();
    expect(await runner.get(job.value.id)).toMatchObject({
      state: "succeeded",
      progress: { done: 3, total: 3, message: "rebuilt 2026-01-12" },
      checkpoint: { nextDay: DAY + 3 * DAY_MS },
    });
    expect(await sums(t, "usage_hourly")).toEqual({ requests: written, tokens: written * 10 });
    expect(await sums(t, "usage_daily")).toEqual({ requests: written, tokens: written * 10 });
    await runner.stop();
    await settler.stop();
    await journal.close();
  });

  test("a rebuild goes on at the day behind its checkpoint, and an empty store has nothing to do", async () => {
    await using t = await openTestStore();
    const days: number[] = [];
    const kind = rebuildRollups(t.store.sql, { rebuildDay: async (day) => void days.push(day) });
    const context = { input: {}, signal: new AbortController().signal, progress: () => {}, checkpoint: async () => {} };
    await kind.run({ ...context, resumeFrom: null });
    expect(days).toEqual([]);
    await putUsage(
      t,
      [0, 1, 5].map((day) => usageRecord(`r${day}`, { at: DAY + day * DAY_MS + 7 })),
    );
    await kind.run({ ...context, resumeFrom: { nextDay: DAY + DAY_MS } });
    expect(days).toEqual([DAY + DAY_MS, DAY + 5 * DAY_MS]);
    const stopped = kind.run({ ...context, signal: AbortSignal.abort(new Error("stop")), resumeFrom: null });
    expect(await rejection(stopped)).toBe("stop");
  });
});
