import { afterAll, beforeAll, expect, test } from "bun:test";
import { z } from "zod";
import { defineJob } from "../../src/jobs/job-kind.ts";
import { JobRunner } from "../../src/jobs/job-runner.ts";
import { openStore } from "../../src/store/open-store.ts";
import { collectingLog, FakeClock, rejection, until } from "../../src/store/test-store.ts";
import { describePostgres, startPostgres, type TestPostgres } from "../support/start-postgres.ts";

const STEPS = 6;

describePostgres("jobs in PostgreSQL", () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
    await postgres.admin`create database flock`;
  }, 30_000);
  afterAll(() => postgres.remove());

  async function open() {
    const options = { dataDir: "/nowhere", clock: new FakeClock(), log: collectingLog() };
    const opened = await openStore({ dsn: postgres.dsn("flock"), ...options });
    if (!opened.ok) throw new Error(opened.error.message);
    return opened.value;
  }

  test("a job whose database goes away goes on from its checkpoint when it is back, on the same attempt", async () => {
    const store = await open();
    const done: number[] = [];
    let away = false;
    const count = defineJob({
      kind: "count",
      schema: z.strictObject({}),
      async run({ resumeFrom, checkpoint }) {
        for (let step = Number(resumeFrom ?? 0); step < STEPS; step += 1) {
          if (step === 3 && !away) {
            away = true;
            await postgres.stop("immediate");
          }
          done.push(step);
          await checkpoint(step + 1);
        }
      },
    });
    const log = collectingLog();
    const runner = new JobRunner({ store, log, kinds: [count], retryMs: 50 });
    await runner.start();
    const job = await runner.enqueue("count", {}, "root");
    if (!job.ok) throw new Error(job.error.kind);
    await until(() => away && done.length === 4);
    expect(await rejection(runner.get(job.value.id))).toContain("onnect");
    // It has met with the refusal, and tries again.
    await until(() => log.lines.some(({ message }) => message.startsWith("a job's state cannot be kept")));
    await postgres.start();
    await until(async () => (await runner.get(job.value.id))?.state === "succeeded");
    // The step whose checkpoint failed is the only one done twice.
    expect(done).toEqual([0, 1, 2, 3, 3, 4, 5]);
    expect(await runner.get(job.value.id)).toMatchObject({ attempt: 1, error: null });
    await runner.stop();
    await store.close();
  }, 30_000);

  test("a stop while the database is away does not hang, and the next start goes on", async () => {
    const store = await open();
    const started = Promise.withResolvers<void>();
    const wait = defineJob({
      kind: "wait",
      schema: z.strictObject({}),
      async run({ resumeFrom, checkpoint, signal }) {
        if (resumeFrom !== null) return;
        await checkpoint("here");
        started.resolve();
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
      },
    });
    const runner = new JobRunner({ store, log: collectingLog(), kinds: [wait], retryMs: 60_000 });
    await runner.start();
    const job = await runner.enqueue("wait", {}, "root");
    if (!job.ok) throw new Error(job.error.kind);
    await started.promise;
    await postgres.stop("immediate");
    await runner.stop();
    await store.close();
    await postgres.start();

    const next = await open();
    const again = new JobRunner({ store: next, log: collectingLog(), kinds: [wait], retryMs: 50 });
    await again.start();
    await until(async () => (await again.get(job.value.id))?.state === "succeeded");
    await again.stop();
    await next.close();
  }, 30_000);
});
