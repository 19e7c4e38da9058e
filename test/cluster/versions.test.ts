import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { OLDEST_NODE_PROTOCOL } from "../../src/cluster/node-protocol.ts";
import { ask, load, nodeWhere, replicaOf, streamOn } from "../support/cluster-client.ts";
import { checkOutOlder, findOlderCommit, type OlderBuild } from "../support/older-build.ts";
import {
  type ClusterLeader,
  type ClusterNode,
  type NodeRow,
  startClusterLeader,
  startClusterWorker,
  startNode,
} from "../support/start-cluster.ts";
import { poll, processesOf, runFlock, temporaryDirectory } from "../support/start-flock.ts";

const found = findOlderCommit();
const title = `beside a build of protocol ${OLDEST_NODE_PROTOCOL}`;
/** As `startClusterLeader` has it. */
const LEADER_ENV = { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" };
const START = { waitFor: /Admin API key/ };

describe.skipIf("why" in found)("why" in found ? `${title} (${found.why})` : title, () => {
  let build: OlderBuild;
  const running: { remove(): Promise<void> }[] = [];
  const dirs: string[] = [];

  beforeAll(() => {
    if ("commit" in found) build = checkOutOlder(found.commit);
  });
  afterAll(async () => {
    for (const node of running.toReversed()) await node.remove();
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
    build?.[Symbol.dispose]();
  }, 60_000);

  function newDir(): string {
    const dir = temporaryDirectory();
    dirs.push(dir);
    return dir;
  }

  /** Two workers of one build: the leader reaches one at its port, the other by the worker's own connection. */
  async function joinTwo(leader: ClusterLeader, name: string, how: { entry?: string }): Promise<Pair> {
    const join = async (of: string, env: Record<string, string>): Promise<ClusterNode> => {
      const flags = ["--name", of, "--no-assign"];
      const model = { id: `${name}-model` };
      const worker = await startClusterWorker(leader, { ...how, env, model, flags, dataDir: newDir() });
      running.push(worker);
      return worker;
    };
    const [lan, tunnel] = await Promise.all([
      join(`${name}-lan`, { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" }),
      join(`${name}-tunnel`, {}),
    ]);
    return { lan, tunnel };
  }

  async function startLeader(how: { entry?: string; dataDir: string }): Promise<ClusterLeader> {
    const leader = await startClusterLeader({ ...START, ...how });
    running.push(leader);
    return leader;
  }

  test("older workers join today's leader, serve, tell it what changes, are drained, and leave", async () => {
    const leader = await startLeader({ dataDir: newDir() });
    const { entry } = build;
    const workers = await joinTwo(leader, "old", { entry });
    await live(leader, "old", workers);
    // The leader is another process then, which knows nothing of what the one before was told.
    expect((await leader.cli("restart")).code).toBe(0);
    await serving(leader, "old");
    // One of them is updated, in its place.
    await workers.lan.terminate();
    const env = { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0", FLOCK_DEFAULT_MODEL: "old-model" };
    const updated = await startNode(["up"], { dataDir: workers.lan.dataDir, env, waitFor: /is a worker of/ });
    running.push(updated);
    await serving(leader, "old");
    await gone(leader, "old", { lan: updated, tunnel: workers.tunnel });
  }, 120_000);

  test("today's workers join an older leader and do the same; it is updated, and has all its workers", async () => {
    const { entry } = build;
    const dataDir = newDir();
    const older = await startLeader({ entry, dataDir });
    const workers = await joinTwo(older, "new", {});
    await live(older, "new", workers);
    const others = await joinTwo(older, "old", { entry });
    // Both versions serve at once for a while. Commands typed meanwhile come to either, or to nobody, and are never unsigned.
    const looks = load(1, async () => {
      const { stdout, stderr } = await workers.lan.cli("node", "ls");
      return new Response(stderr, { status: /new-lan/.test(stdout) || stderr.includes("nothing listens") ? 200 : 500 });
    });
    const updated = await runFlock(["restart"], { dataDir, env: LEADER_ENV });
    expect([updated.code, updated.stderr]).toEqual([0, ""]);
    for (const name of ["new", "old"]) await serving(older, name);
    expect((await looks()).filter((said) => said.startsWith("status"))).toEqual([]);
    await live(older, "new", workers);
    await gone(older, "new", workers);
    await gone(older, "old", others);
  }, 120_000);
});

interface Pair {
  readonly lan: ClusterNode;
  readonly tunnel: ClusterNode;
}
const LINKS = ["lan", "tunnel"] as const;

/** Both are there, each over its own way, and give answers of the model that they have. */
async function serving(leader: ClusterLeader, name: string): Promise<void> {
  await poll(30_000, () => leader.nodes().catch(() => null));
  for (const link of LINKS) {
    const { id } = await nodeWhere(leader, `${name}-${link}`, (row) => row.link === link && isServing(row, name));
    const answer = await streamOn(leader, id, { model: `${name}-model` });
    expect(Buffer.from((await answer.body?.getReader().read())?.value ?? []).toString()).toContain('"choices"');
  }
}

const isServing = ({ state, models }: NodeRow, name: string): boolean =>
  state === "ready" && models.some(({ id }) => id === `${name}-model`);

const restartsOf = ({ engines }: NodeRow): number => engines.reduce((sum, { restarts }) => sum + restarts, 0);

/** What a worker does while it is one. */
async function live(leader: ClusterLeader, name: string, workers: Pair): Promise<void> {
  await serving(leader, name);
  for (const link of LINKS) {
    const of = `${name}-${link}`;
    // Heartbeats: what ends there is told, and that it is back.
    const [engine] = processesOf(workers[link].dataDir).engines;
    if (engine === undefined) throw new Error("no engine");
    const before = restartsOf(await nodeWhere(leader, of, () => true));
    process.kill(engine, "SIGKILL");
    await nodeWhere(leader, of, (row) => restartsOf(row) > before && isServing(row, name));
    // A command that is typed there.
    expect((await workers[link].cli("node", "ls")).stdout).toMatch(new RegExp(`${of} .*ready`));
    expect((await leader.cli("node", "drain", of)).code).toBe(0);
    const { id } = await nodeWhere(leader, of, ({ state }) => state === "drained");
    const elsewhere = await ask(leader, { model: `${name}-model`, maxTokens: 2 });
    expect([elsewhere.status, replicaOf(elsewhere).startsWith(`${id}/`)]).toEqual([200, false]);
    expect((await leader.cli("node", "undrain", of)).code).toBe(0);
    await nodeWhere(leader, of, (row) => isServing(row, name));
  }
  await serving(leader, name);
}

async function gone(leader: ClusterLeader, name: string, workers: Pair): Promise<void> {
  for (const link of LINKS) {
    // Which version the other one is was found out without a word.
    expect(workers[link].output()).not.toMatch(/\((audience|invalid|signature)\)/);
    expect((await workers[link].cli("leave", "--yes")).code).toBe(0);
    await poll(20_000, async () => (await leader.nodes()).every((row) => row.name !== `${name}-${link}`));
  }
}
