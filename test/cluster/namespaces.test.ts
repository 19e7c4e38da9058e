import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { ask, nodeWhere } from "../support/cluster-client.ts";
import { LEAD, type NetLab, type Place, whyNoLab } from "../support/net-lab.ts";
import { poll, runFlock, temporaryDirectory } from "../support/start-flock.ts";
import { ownMachines } from "../support/test-cluster.ts";
import { failureScenarios, leaderScenarios, routingScenarios, sharedCluster } from "./scenarios.ts";
import { trustScenarios } from "./trust-scenarios.ts";
import { tunnelScenarios } from "./tunnel-scenarios.ts";

const why = await whyNoLab();

describe.skipIf(why !== null)(`machines of their own${why === null ? "" : ` (${why})`}`, () => {
  let lab: NetLab;
  const rig = sharedCluster(async () => {
    const ground = await ownMachines();
    ({ lab } = ground);
    return ground;
  });

  async function join(place: Place, ...args: string[]): Promise<string> {
    const dataDir = temporaryDirectory();
    const run = await runFlock(["join", ...args], { dataDir, prefix: lab.prefix(place) });
    rmSync(dataDir, { recursive: true });
    return run.stdout + run.stderr;
  }

  routingScenarios(rig);

  test("a worker behind a NAT was given its model's file directly by the one that it can dial", async () => {
    const shown = await rig().cluster.leader.cli("node", "show", "far");
    expect(shown.stdout).toContain("the file of team came directly from near");
  });

  test("a machine on the same network finds the leader by asking, one behind a NAT finds none; the leader prints the line", async () => {
    const { leader } = rig().cluster;
    const [seen, unseen] = await Promise.all([join("desk"), join("far")]);
    expect(seen).toContain("http://10.77.0.1:8080");
    expect(unseen).toContain("no leader announces itself on this network");
    expect(leader.output()).toMatch(/Add another machine .*\n +flock join 'http:\/\/10\.77\.0\.1\?token=ey/);
  }, 60_000);

  test("a machine that cannot reach the leader is told where it looked", async () => {
    const { token } = await rig().cluster.leader.invite();
    // Nothing but the leader's node port leads out of there, at another address.
    const said = await join("wide", `${LEAD}?token=${token}`);
    expect(said).toContain("the leader cannot be reached; tried 10.77.0.1:8081");
    expect(said).toContain("flock status   # at the leader");
  }, 60_000);

  test("answers come through a line that is slow, long and loses packets", async () => {
    const { leader } = rig().cluster;
    const { id } = await nodeWhere(leader, "wide", ({ state }) => state === "ready");
    await lab.rate("hop", "2mbit");
    await lab.loss("hop", 0.1);
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => ask(leader, { model: "wide-model", maxTokens: 40, stream: true })),
    );
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    await lab.rate("hop", null);
    await lab.loss("hop", 0);
    expect(texts.map((text) => [text.includes('"finish_reason":"length"'), text.includes("[DONE]")])).toEqual(
      texts.map(() => [true, true]),
    );
    await poll(30_000, async () => (await nodeWhere(leader, "wide", ({ state }) => state === "ready")).id === id);
  }, 90_000);

  tunnelScenarios(rig);
  trustScenarios(rig);
  failureScenarios(rig);
  leaderScenarios(rig);

  test("a model's file goes through the leader where neither can dial the other, and the leader says why", async () => {
    const { leader } = rig().cluster;
    const run = await leader.cli("model", "move", "team", "--from", "far", "--to", "wide", "--json");
    expect([run.code, run.stderr]).toEqual([0, ""]);
    const { job } = JSON.parse(run.stdout) as { job: { progress: { message: string } } };
    expect(job.progress.message).toMatch(
      /^wide serves team; its file came through the leader from (near|far), which cannot be reached directly \(.+\)$/,
    );
  }, 90_000);
});
