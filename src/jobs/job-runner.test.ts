import { expect, test } from "bun:test";
import { z } from "zod";
import { recentAudit } from "../store/audit.ts";
import { isEndState, type Job, type JobEvent, jobsInState } from "../store/jobs.ts";
import type { Store } from "../store/store.ts";
import { StoreProblemError } from "../store/store-problem.ts";
import { onEachDatabase, type TestStore, until } from "../store/test-store.ts";
import { defineJob, type JobContext, type JobKind } from "./job-kind.ts";
import { JobRunner } from "./job-runner.ts";

const never = new AbortController().signal;

function kindOf(name: string, run: (context: JobContext<{ n: number }>) => Promise<void>): JobKind {
  return defineJob({ kind: name, schema: z.strictObject({ n: z.number() }), run });
}

async function runnerOf(t: TestStore, ...kinds: JobKind[]): Promise<JobRunner> {
  const runner = new JobRunner({ store: t.store, log: t.log, kinds });
  await runner.start();
  return runner;
}

async function enqueue(runner: JobRunner, kind: string, n = 1): Promise<Job> {
  const job = await runner.enqueue(kind, { n }, "root");
  if (!job.ok) throw new Error(JSON.stringify(job.error));
  return job.value;
}

async function ended(runner: JobRunner, id: string): Promise<Job> {
  await until(async () => isEndState((await runner.get(id))?.state ?? "queued"));
  const job = await runner.get(id);
  if (job === null) throw new Error("the job is gone");
  return job;
}

async function collect(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Runs until it is aborted. */
function untilAborted({ signal }: { readonly signal: AbortSignal }): Promise<void> {
  return new Promise((_, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
  });
}

onEachDatabase((openTestStore) => {
  test("of several leaders each runs its own jobs; what one queues or cancels for another the other does", async () => {
    await using t = await openTestStore();
    const ran: string[] = [];
    const leader = async (name: string): Promise<JobRunner> => {
      const work = async (context: JobContext<{ n: number }>): Promise<void> => {
        ran.push(`${name} ${context.input.n}`);
        if (context.input.n === 2) await untilAborted(context);
      };
      const runner = new JobRunner({ store: t.store, log: t.log, kinds: [kindOf("work", work)], leader: name });
      await runner.start();
      return runner;
    };
    const [one, two] = [await leader("one"), await leader("two")];
    const mine = await enqueue(one, "work", 1);
    expect((await ended(two, mine.id)).state).toBe("succeeded");
    const theirs = await one.enqueue("work", { n: 2 }, "root", "two");
    if (!theirs.ok) throw new Error(theirs.error.kind);
    const watched = collect(one.events(theirs.value.id, 0, never));
    two.look();
    await until(async () => (await one.get(theirs.value.id))?.state === "running");
    // Of a job that another leader runs a start takes nothing away.
    await leader("one");
    expect((await one.get(theirs.value.id))?.state).toBe("running");
    await one.cancel(theirs.value.id, "root");
    two.look();
    expect((await watched).at(-1)?.state).toBe("cancelled");
    expect(ran).toEqual(["one 1", "two 2"]);
  });

  test("a job runs, its events stream to the end, live and afterwards, and both mutations are audited", async () => {
    await using t = await openTestStore();
    const go = Promise.withResolvers<void>();
    const runner = await runnerOf(
      t,
      kindOf("count", async ({ input, progress, checkpoint }) => {
        await go.promise;
        progress(1, input.n, "one");
        await checkpoint({ at: 1 });
        progress(2, null, "two");
      }),
    );
    const job = await enqueue(runner, "count", 2);
    const live = collect(runner.events(job.id, 0, never));
    go.resolve();
    const events = await live;
    expect(events.map((event) => [event.seq, event.state, event.progress?.message ?? ""])).toEqual([
      [1, "queued", ""],
      [2, "running", ""],
      [3, "running", "one"],
      [4, "running", "two"],
      [5, "succeeded", "two"],
    ]);
    expect(events[3]?.progress).toEqual({ done: 2, total: null, message: "two" });
    expect(await collect(runner.events(job.id, 0, never))).toEqual(events);
    expect(await collect(runner.events(job.id, 4, never))).toEqual(events.slice(4));
    expect(await collect(runner.events(job.id, 5, never))).toEqual([]);
    expect(await collect(runner.events("job_none", 0, never))).toEqual([]);
    expect(await runner.get(job.id)).toMatchObject({
      state: "succeeded",
      attempt: 1,
      checkpoint: { at: 1 },
      error: null,
    });
    expect((await runner.list(10)).map((listed) => listed.id)).toEqual([job.id]);
    expect((await recentAudit(t.store.sql, { limit: 5 }))[0]).toMatchObject({
      action: "job.enqueue",
      target: job.id,
      actor: "root",
    });
    await runner.stop();
  });

  test("jobs of one kind run one after the other, those of two kinds at once", async () => {
    await using t = await openTestStore();
    let running = 0;
    const most: Record<string, number> = {};
    const order: number[] = [];
    const work = (name: string) =>
      kindOf(name, async ({ input }) => {
        running += 1;
        most[name] = Math.max(most[name] ?? 0, running);
        await Bun.sleep(5);
        order.push(input.n);
        running -= 1;
      });
    const runner = await runnerOf(t, work("a"));
    const jobs: Job[] = [];
    for (let n = 0; n < 4; n += 1) {
      t.clock.ms += 1;
      jobs.push(await enqueue(runner, "a", n));
    }
    for (const job of jobs) await ended(runner, job.id);
    expect(order).toEqual([0, 1, 2, 3]);
    expect(most["a"]).toBe(1);
    await runner.stop();

    const both = Promise.withResolvers<void>();
    let started = 0;
    const meet = async (): Promise<void> => {
      started += 1;
      if (started === 2) both.resolve();
      await both.promise;
    };
    const second = await runnerOf(t, kindOf("x", meet), kindOf("y", meet));
    const [x, y] = [await enqueue(second, "x"), await enqueue(second, "y")];
    expect([(await ended(second, x.id)).state, (await ended(second, y.id)).state]).toEqual(["succeeded", "succeeded"]);
    await second.stop();
  });

  test("a job that throws fails with one line, and the next one runs", async () => {
    await using t = await openTestStore();
    const runner = await runnerOf(
      t,
      kindOf("a", async ({ input }) => {
        if (input.n === 1) throw new Error("broke\nin two");
      }),
    );
    const [bad, good] = [await enqueue(runner, "a", 1), await enqueue(runner, "a", 2)];
    expect(await ended(runner, bad.id)).toMatchObject({ state: "failed", error: "broke in two" });
    expect((await ended(runner, good.id)).state).toBe("succeeded");
    await runner.stop();
  });

  test("wrong input and unknown kinds are refused by name", async () => {
    await using t = await openTestStore();
    const runner = await runnerOf(
      t,
      kindOf("a", async () => {}),
    );
    expect(await runner.enqueue("b", {}, "root")).toMatchObject({
      ok: false,
      error: { kind: "invalid_request", field: "kind" },
    });
    const refused = await runner.enqueue("a", { n: "1", m: 2 }, "root");
    expect(refused).toMatchObject({ ok: false, error: { field: "input", message: expect.stringContaining("n:") } });
    expect(await runner.list(10)).toEqual([]);
    await runner.stop();
  });

  test("a waiting job is cancelled at once, a running one when it stops, an ended one not at all", async () => {
    await using t = await openTestStore();
    const runner = await runnerOf(t, kindOf("a", untilAborted));
    const running = await enqueue(runner, "a");
    t.clock.ms += 1;
    const waiting = await enqueue(runner, "a");
    await until(async () => (await runner.get(running.id))?.state === "running");
    expect(await runner.cancel(waiting.id, "root")).toMatchObject({ ok: true, value: { state: "cancelled" } });
    const events = collect(runner.events(running.id, 0, never));
    expect((await runner.cancel(running.id, "root")).ok).toBe(true);
    expect((await events).at(-1)?.state).toBe("cancelled");
    expect(await runner.cancel(running.id, "root")).toMatchObject({ ok: false, error: { kind: "conflict" } });
    expect(await runner.cancel("job_none", "root")).toMatchObject({ ok: false, error: { kind: "not_found" } });
    await runner.stop();
  });

  test("an orderly stop puts a job back, and the next start goes on from its checkpoint", async () => {
    await using t = await openTestStore();
    const seen: unknown[] = [];
    const kind = kindOf("a", async (context) => {
      seen.push(context.resumeFrom);
      if (context.resumeFrom !== null) return;
      await context.checkpoint({ done: 3 });
      await untilAborted(context);
    });
    const first = await runnerOf(t, kind);
    const job = await enqueue(first, "a");
    await until(async () => (await first.get(job.id))?.checkpoint !== null);
    await first.stop();
    expect(await first.get(job.id)).toMatchObject({ state: "queued", attempt: 0 });
    const second = await runnerOf(t, kind);
    expect(await ended(second, job.id)).toMatchObject({ state: "succeeded", attempt: 1 });
    expect(seen).toEqual([null, { done: 3 }]);
    await second.stop();
  });

  test("a job that a crash interrupted is resumed twice, then fails; a cancelled one is not resumed", async () => {
    await using t = await openTestStore();
    const hang = kindOf("a", () => new Promise(() => {}));
    let id = "";
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      // A runner that is never stopped stands for a process that was killed.
      const crashed = await runnerOf(t, hang);
      if (attempt === 1) ({ id } = await enqueue(crashed, "a"));
      await until(async () => (await crashed.get(id))?.attempt === attempt);
    }
    const last = await runnerOf(t, hang);
    expect(await last.get(id)).toMatchObject({
      state: "failed",
      attempt: 3,
      error: expect.stringContaining("3 times"),
    });

    const other = await enqueue(last, "a");
    await until(async () => (await last.get(other.id))?.state === "running");
    await last.cancel(other.id, "root");
    const next = await runnerOf(t, hang);
    expect((await next.get(other.id))?.state).toBe("cancelled");
    await next.stop();
  });

  test("a store that goes away just when a job begins holds it up and no more", async () => {
    await using t = await openTestStore();
    const gone = new StoreProblemError({ kind: "unreachable", message: "the database is away", mend: "" });
    let away = false;
    const refusing = new Proxy(t.store.sql, { apply: () => Promise.reject(gone) });
    const store: Store = {
      ...t.store,
      get sql() {
        return away ? refusing : t.store.sql;
      },
      async write(run, turn) {
        const before = await jobsInState(t.store.sql, "running", "");
        const written = await t.store.write(run, turn);
        if (before.length === 0 && (await jobsInState(t.store.sql, "running", "")).length > 0) {
          away = true;
          setTimeout(() => (away = false), 5);
        }
        return written;
      },
    };
    const kind = kindOf("a", async () => undefined);
    const runner = new JobRunner({ store, log: t.log, kinds: [kind], retryMs: 1 });
    await runner.start();
    const job = await enqueue(runner, "a");
    await until(async () => (await t.store.sql`select 1 from jobs where state = 'succeeded'`).length > 0);
    expect(await runner.get(job.id)).toMatchObject({ state: "succeeded", attempt: 1 });
    await runner.stop();
  });

  test("a job of a kind that this version does not know waits for one that does, and the log says so", async () => {
    await using t = await openTestStore();
    const newer = await runnerOf(
      t,
      kindOf("from-the-future", () => new Promise(() => {})),
    );
    const job = await enqueue(newer, "from-the-future");
    await until(async () => (await newer.get(job.id))?.state === "running");
    const older = await runnerOf(t);
    expect((await older.get(job.id))?.state).toBe("queued");
    expect(t.log.lines.map(({ message, fields }) => [message, fields["kind"], fields["mend"]])).toEqual([
      ["a job waits: this version does not know its kind", "from-the-future", expect.stringContaining(job.id)],
    ]);
    const again = await runnerOf(
      t,
      kindOf("from-the-future", async () => undefined),
    );
    expect((await ended(again, job.id)).state).toBe("succeeded");
    await again.stop();
  });

  test("a job that was queued before the start runs once, and not before", async () => {
    await using t = await openTestStore();
    const ran: number[] = [];
    const held = Promise.withResolvers<void>();
    const work = async ({ input }: JobContext<{ n: number }>): Promise<void> => {
      ran.push(input.n);
      await held.promise;
    };
    const runner = new JobRunner({ store: t.store, log: t.log, kinds: [kindOf("a", work)] });
    const job = await enqueue(runner, "a");
    runner.look();
    expect([ran, (await runner.get(job.id))?.state]).toEqual([[], "queued"]);
    await runner.start();
    await until(() => ran.length > 0);
    held.resolve();
    const { state, attempt } = await ended(runner, job.id);
    expect([state, attempt, ran]).toEqual(["succeeded", 1, [1]]);
    await runner.stop();
  });

  test("who follows a job is let go when the leader leaves, and gets the rest from the next", async () => {
    await using t = await openTestStore();
    const runner = await runnerOf(t, kindOf("a", untilAborted));
    const job = await enqueue(runner, "a");
    const events = runner.events(job.id, 0, never)[Symbol.asyncIterator]();
    const first = await events.next();
    await until(async () => (await runner.get(job.id))?.state === "running");
    runner.leave();
    let last = first;
    while (last.done !== true) last = await events.next();
    expect(await collect(runner.events(job.id, 0, never))).toEqual([]);
    await runner.stop();
    const next = await runnerOf(
      t,
      kindOf("a", async () => undefined),
    );
    expect((await collect(next.events(job.id, 0, never))).at(-1)?.state).toBe("succeeded");
    await next.stop();
  });

  test("after a stop it begins again as soon as the store is there", async () => {
    await using t = await openTestStore();
    const gone = new StoreProblemError({ kind: "unreachable", message: "the database is away", mend: "" });
    let away = false;
    const refusing = new Proxy(t.store.sql, { apply: () => Promise.reject(gone) });
    const store: Store = {
      ...t.store,
      get sql() {
        return away ? refusing : t.store.sql;
      },
    };
    const runner = new JobRunner({ store, log: t.log, kinds: [kindOf("a", async () => undefined)], retryMs: 1 });
    await runner.start();
    await runner.stop();
    const job = await enqueue(runner, "a");
    away = true;
    runner.startAgain();
    await until(() => t.log.lines.some(({ message }) => message === "jobs cannot be run; trying again"));
    away = false;
    expect((await ended(runner, job.id)).state).toBe("succeeded");
    await runner.stop();
  });

  test("progress is thinned out and the newest 200 events are kept", async () => {
    await using t = await openTestStore();
    const runner = await runnerOf(
      t,
      kindOf("a", async ({ input, progress, checkpoint }) => {
        for (let done = 1; done <= 10_000; done += 1) progress(done, 10_000, "quick");
        for (let done = 1; done <= input.n; done += 1) {
          progress(done, input.n, "slow");
          await checkpoint(done);
        }
      }),
    );
    const job = await enqueue(runner, "a", 3);
    expect((await ended(runner, job.id)).progress).toEqual({ done: 3, total: 3, message: "slow" });
    expect((await collect(runner.events(job.id, 0, never))).length).toBeLessThan(10);
    await t.store.write(async (tx) => {
      const { saveProgress } = await import("../store/jobs.ts");
      for (let done = 0; done < 300; done += 1) await saveProgress(tx, job.id, { done, total: 300, message: "" }, 1);
    });
    const rows = await t.store.sql`select seq from job_events where job_id = ${job.id}`.values();
    expect(rows.length).toBe(200);
    await runner.stop();
  });

  test("a reader that goes away ends its stream", async () => {
    await using t = await openTestStore();
    const runner = await runnerOf(t, kindOf("a", untilAborted));
    const job = await enqueue(runner, "a");
    const reader = new AbortController();
    const events = collect(runner.events(job.id, 0, reader.signal));
    await until(async () => (await runner.get(job.id))?.state === "running");
    reader.abort();
    expect((await events).length).toBeLessThanOrEqual(2);
    await runner.stop();
  });
});
