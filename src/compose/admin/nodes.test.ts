import { expect, test } from "bun:test";
import { DRAIN_JOB, drainInput } from "../cluster/placing.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { adminNodes } from "./nodes.ts";
import { unfinishedDrains } from "../cluster/unfinished-drains.ts";
import { handlersRig, joinNode } from "../../cluster/registry/test-handlers.ts";
import { ANONYMOUS } from "../../core/principal.ts";
import { beatOf, stateOf } from "../../cluster/registry/test-registry.ts";
import { defineJob } from "../../jobs/job-kind.ts";
import { JobRunner } from "../../jobs/job-runner.ts";
import type { Router } from "../../routing/router.ts";
import { listNodes } from "../../store/nodes.ts";
import { onEachDatabase, rejection, type TestStore, until } from "../../store/test-store.ts";

/** A leader with one worker, and drains that end as the test wants. */
async function rig(t: TestStore, run: () => Promise<void>) {
  const { book, registry, handlers } = await handlersRig(t);
  const { node } = await joinNode(handlers);
  registry.beat(node, beatOf(stateOf(node, ["alone"])));
  const jobs = new JobRunner({
    store: t.store,
    log: t.log,
    kinds: [defineJob({ kind: DRAIN_JOB, schema: drainInput, run })],
  });
  await jobs.start();
  const nodes = adminNodes({
    cluster: { registry, book } as Cluster,
    router: { busy: () => 0 } as unknown as Router,
    jobs,
    store: t.store,
    settled: async () => undefined,
  });
  const unfinished = async (): Promise<readonly string[]> => [
    ...(await unfinishedDrains(t.store.sql, "", await listNodes(t.store.sql))),
  ];
  return { node, registry, jobs, nodes, unfinished };
}

onEachDatabase((openTestStore, database) => {
  test("a node is drained with its job or not at all", async () => {
    await using t = await openTestStore();
    const { node, registry, nodes } = await rig(t, async () => undefined);
    // What a leader that is killed at that moment leaves.
    const refuse =
      database === "SQLite"
        ? ["create trigger killed before insert on jobs begin select raise(abort, 'killed'); end"]
        : [
            "create function killed() returns trigger language plpgsql as $$ begin raise exception 'killed'; end $$",
            "create trigger killed before insert on jobs execute function killed()",
          ];
    for (const statement of refuse) await t.store.write((tx) => tx.unsafe(statement));
    expect(await rejection(nodes.drain(node, ANONYMOUS))).toContain("killed");
    expect((await listNodes(t.store.sql)).map(({ drainedAt }) => drainedAt)).toEqual([null]);
    expect(registry.get(node)?.standing).toBe("ready");
  });

  test("a drain counts as ended only when a job of it ended well, whatever became of earlier ones", async () => {
    await using t = await openTestStore();
    let end: () => Promise<void> = () => Promise.reject(new Error("its machine is gone"));
    const { node, jobs, nodes, unfinished } = await rig(t, () => end());
    const drain = async (): Promise<void> => {
      t.clock.ms += 1_000;
      const drained = await nodes.drain(node, ANONYMOUS);
      if (!drained.ok) throw new Error(drained.error.kind);
      await until(async () => (await jobs.get(drained.value.job.id))?.finishedAt !== null);
    };
    expect(await unfinished()).toEqual([]);
    await drain();
    expect(await unfinished()).toEqual([node]);
    end = async () => undefined;
    await drain();
    expect(await unfinished()).toEqual([]);
    await nodes.undrain(node, ANONYMOUS);
    end = () => new Promise(() => undefined);
    t.clock.ms += 1_000;
    await nodes.drain(node, ANONYMOUS);
    expect(await unfinished()).toEqual([node]);
  });
});
