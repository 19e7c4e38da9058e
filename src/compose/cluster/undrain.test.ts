import { expect, test } from "bun:test";
import { DRAIN_JOB } from "./placing.ts";
import type { Cluster } from "./cluster.ts";
import { ownModelLoader } from "./undrain.ts";
import { beatOf, recordOf, registryRig, stateOf } from "../../cluster/registry/test-registry.ts";
import { err } from "../../core/result.ts";
import type { JobRunner } from "../../jobs/job-runner.ts";

test("a node that cannot be asked what it served by itself says so in its log", async () => {
  const { registry } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  registry.beat("n_1", beatOf(stateOf("n_1", [])));
  const link = { call: async () => err({ kind: "node_unreachable", message: "node n_1 cannot be reached", mend: "" }) };
  const drain = { kind: DRAIN_JOB, input: { node: "n_1" }, createdAt: 5, checkpoint: { moved: { team: "n_2" } } };
  const jobs = { list: async () => [drain] } as unknown as JobRunner;
  await ownModelLoader({ registry, link } as unknown as Cluster, jobs)("n_1", 5);
  expect(registry.get("n_1")?.events.at(-1)?.what).toBe(
    "what it served by itself is not loaded again: node n_1 cannot be reached",
  );
});
