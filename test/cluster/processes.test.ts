import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ask, nodeWhere, replicaOf } from "../support/cluster-client.ts";
import { poll } from "../support/start-flock.ts";
import { oneMachine } from "../support/test-cluster.ts";
import { failureScenarios, leaderScenarios, routingScenarios, sharedCluster } from "./scenarios.ts";
import { trustScenarios } from "./trust-scenarios.ts";
import { tunnelScenarios } from "./tunnel-scenarios.ts";

describe("processes on one machine", () => {
  const rig = sharedCluster(async () => oneMachine());
  routingScenarios(rig);
  tunnelScenarios(rig);
  trustScenarios(rig);

  test("an empty machine that joined was given the default model by a job, and no half of a file is left", async () => {
    const { leader, workers } = rig().cluster;
    expect(existsSync(join(workers.far.dataDir, "models/team.gguf.part"))).toBe(false);
    await poll(20_000, async () => /node\.assign +succeeded/.test((await leader.cli("job", "ls")).stdout));
    // `near` has a port, so the leader was not in the way.
    expect((await leader.cli("node", "show", "far")).stdout).toContain("the file of team came directly from near");
  });

  test("a command typed on a worker shows the cluster, and may not change it", async () => {
    const { leader, workers } = rig().cluster;
    const { far } = workers;
    const [listed, models, status, refused, tokens] = await Promise.all([
      far.cli("node", "ls"),
      far.cli("model", "ls"),
      far.cli("status"),
      far.cli("node", "drain", "near"),
      far.cli("token", "ls"),
    ]);
    expect(listed.stdout).toMatch(/near .*team .*ready/);
    expect(models.stdout).toMatch(/^team +ready +embedded\S* +near /m);
    expect(status.stdout).toMatch(
      /^This machine is the worker n_\w+ of the leader at https:\/\/127\.0\.0\.1:\d+, which says:\n\nFlock /,
    );
    // Everybody's engines, by the names of their machines.
    expect(status.stdout).toMatch(/^ENGINE +NODE[^]*^embedded\S* +far +embedded +ready/m);
    expect([refused.code === 0, refused.stderr]).toEqual([false, expect.stringContaining("it may look, not change")]);
    expect(tokens.code).not.toBe(0);
    await nodeWhere(leader, "near", ({ state }) => state === "ready");
  });

  test("what a person sees of a drain: that it is done, recent requests, utilisation", async () => {
    const { leader, whole } = rig().cluster;
    const drained = await leader.cli("node", "drain", "near");
    expect([drained.code, drained.stdout]).toEqual([0, expect.stringContaining("node.drain is done")]);
    const page = (await leader.cli("node", "show", "near")).stdout;
    expect(page).toContain("drained");
    expect(page).toMatch(/Recent requests\nTIME[^\n]*\n[^\n]*admin +team /);
    expect(page).toMatch(/Utilisation\nCPU +\d+ %/);
    expect((await leader.cli("node", "undrain", "near")).code).toBe(0);
    await whole();
  });

  failureScenarios(rig);
  leaderScenarios(rig);

  test("a drain of the leader's own machine moves what only it serves, and no request fails meanwhile", async () => {
    const { leader } = rig().cluster;
    const tiny = { model: "flock-tiny", maxTokens: 2 };
    const statuses: number[] = [];
    const over = new AbortController();
    const asking = (async () => {
      while (!over.signal.aborted) statuses.push((await ask(leader, tiny)).status);
    })();
    expect((await leader.cli("node", "drain", "local")).code).toBe(0);
    const there = await ask(leader, tiny);
    over.abort();
    await asking;
    expect([there.status, replicaOf(there)]).toEqual([200, expect.not.stringContaining("local/")]);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect((await leader.cli("node", "undrain", "local")).code).toBe(0);
  });
});
