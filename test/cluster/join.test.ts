import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, nodeWhere, replicaOf } from "../support/cluster-client.ts";
import {
  type ClusterLeader,
  type ClusterNode,
  startClusterLeader,
  startClusterWorker,
  startNode,
} from "../support/start-cluster.ts";
import { poll, runFlockCli, temporaryDirectory } from "../support/start-flock.ts";

let leader: ClusterLeader;
let near: ClusterNode;
let far: ClusterNode;
const dirs: string[] = [];

beforeAll(async () => {
  leader = await startClusterLeader();
  // One that the leader reaches at a port of its own, one that it reaches by the worker's own connection alone.
  [near, far] = await Promise.all([
    startClusterWorker(leader, {
      env: { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" },
      model: { id: "near-model", says: "near speaks" },
      flags: ["--name", "near"],
    }),
    startClusterWorker(leader, { model: { id: "far-model", says: "far answers" }, flags: ["--name", "far"] }),
  ]);
}, 90_000);

afterAll(async () => {
  await Promise.all([near?.remove(), far?.remove()]);
  await leader?.remove();
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
}, 60_000);

function newDir(): string {
  const dir = temporaryDirectory();
  dirs.push(dir);
  return dir;
}

async function said(model: string): Promise<{ status: number; text: string; replica: string }> {
  const answer = await ask(leader, { model });
  const body = (await answer.json()) as { choices?: { message: { content: string } }[] };
  return { status: answer.status, text: body.choices?.[0]?.message.content ?? "", replica: replicaOf(answer) };
}

const served = (model: string) =>
  poll(30_000, async () => {
    const got = await said(model);
    return got.status === 200 ? got : null;
  });

test("each model is served by the machine that has it, over the link that leads there", async () => {
  const nodes = await poll(30_000, async () => {
    const rows = await leader.nodes();
    const there = ["near", "far"].every((name) => rows.some((row) => row.name === name && row.link !== null));
    return there && rows.find(({ name }) => name === "near")?.link === "lan" ? rows : null;
  });
  expect(Object.fromEntries(nodes.map(({ name, link, role }) => [name, `${role} ${link}`]))).toMatchObject({
    near: "worker lan",
    far: "worker tunnel",
  });
  for (const [model, says, name] of [
    ["near-model", "near speaks", "near"],
    ["far-model", "far answers", "far"],
  ] as const) {
    const answer = await served(model);
    expect(answer.text).toBe(says);
    expect(answer.replica).toBe(`${nodes.find((row) => row.name === name)?.id}/embedded/${model}`);
  }
});

test("a worker's credential is for its user alone; the token is in no log", async () => {
  const credential = join(near.dataDir, "node.json");
  expect(statSync(credential).mode & 0o777).toBe(0o600);
  const logs = [near.output(), far.output(), readFileSync(join(near.dataDir, "logs/agent.log"), "utf8")];
  for (const text of logs) expect(text).not.toContain("eyJ");
});

test("a used token, no token and half a token are refused in words that mend it", async () => {
  const dir = newDir();
  const run = (args: string[], env: Record<string, string> = {}) => runFlockCli(dir, ["join", ...args], env);
  const { token } = await leader.invite();
  const half = await run([`127.0.0.1?token=${token.slice(0, -50)}`]);
  expect(half.stderr).toMatch(/was not made by this leader|no join token/);
  const none = await run(["127.0.0.1"]);
  expect(none.stderr).toContain("there is no join token");
  expect(none.stderr).toContain("flock token create --node");
  const user = await startNode(["join", "127.0.0.1"], {
    env: { FLOCK_JOIN_TOKEN: token },
    waitFor: /joined the leader/,
  });
  const used = await run(["127.0.0.1"], { FLOCK_JOIN_TOKEN: token });
  expect(used.stderr).toContain("this join token was used already");
  expect(used.stderr).toContain("flock token create --node");
  expect(existsSync(join(dir, "node.json"))).toBe(false);
  await user.cli("leave", "--yes");
  await user.remove();
}, 60_000);

test("a worker that leaves is gone at once, and one that was removed is told so and ends", async () => {
  const guest = await startClusterWorker(leader, { flags: ["--name", "guest"] });
  const again = await guest.cli("join", "127.0.0.1?token=x");
  expect(again.stderr).toContain("Flock already runs on this machine");
  const left = await guest.cli("leave", "--yes");
  expect(left.stdout).toContain("has left the cluster");
  expect((await leader.nodes()).map(({ name }) => name)).not.toContain("guest");
  expect(existsSync(join(guest.dataDir, "node.json"))).toBe(false);
  await guest.remove();

  const removed = await startClusterWorker(leader, { flags: ["--name", "removed"] });
  expect((await leader.cli("node", "remove", "removed", "--yes")).code).toBe(0);
  await poll(30_000, () => removed.output().includes("→ flock"));
  expect(removed.output()).toMatch(/✗ node \S+ was removed from the cluster\n\s+→ .*flock token create --node/);
  await removed.remove();
}, 90_000);

test("a machine that joins again takes its earlier record's place", async () => {
  const dataDir = newDir();
  const first = await startClusterWorker(leader, { dataDir, flags: ["--name", "twice"] });
  const before = (await leader.nodes()).filter(({ name }) => name.startsWith("twice"));
  await first.kill();
  await first.cli("down");
  // As after a reinstall: nothing is left but the machine and the place.
  rmSync(join(dataDir, "node.json"));
  const second = await startClusterWorker(leader, { dataDir, flags: ["--name", "twice"] });
  const after = (await leader.nodes()).filter(({ name }) => name.startsWith("twice"));
  expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
  await second.cli("leave", "--yes");
  await second.remove();
}, 90_000);

test("a damaged credential, and one of another cluster, are named with what mends them", async () => {
  const dir = newDir();
  writeFileSync(join(dir, "node.json"), "{");
  const { token } = await leader.invite();
  const damaged = await runFlockCli(dir, ["join", `127.0.0.1?token=${token}`]);
  expect(damaged.stderr).toContain("holds no node credential any more");
  const elsewhere = JSON.parse(readFileSync(join(near.dataDir, "node.json"), "utf8")) as { leader: object };
  writeFileSync(
    join(dir, "node.json"),
    JSON.stringify({ ...elsewhere, leader: { ...elsewhere.leader, id: "l_other" } }),
  );
  const other = await runFlockCli(dir, ["join", `127.0.0.1?token=${token}`]);
  expect(other.stderr).toContain("of another cluster");
  expect(other.stderr).toContain("flock leave");
});

test("a machine that joins with --no-assign is given no model, one that joins without it is", async () => {
  const join = (name: string, ...flags: string[]) => startClusterWorker(leader, { flags: ["--name", name, ...flags] });
  const quiet = await join("quiet", "--no-assign");
  const open = await join("open");
  const given = await nodeWhere(leader, "open", ({ models }) => models.some(({ id }) => id !== "flock-tiny"));
  // It came before, and was ready: would it be given one, it would have come in turn.
  const left = await nodeWhere(leader, "quiet", ({ state }) => state === "ready");
  expect(left.models.map(({ id }) => id)).toEqual(["flock-tiny"]);
  const jobs = await poll(20_000, async () => {
    const text = await (await leader.fetch("/admin/v1/jobs")).text();
    return text.includes(`${given.name} serves`) ? text : null;
  });
  expect(jobs).not.toContain(left.id);
  await Promise.all([quiet, open].map((node) => node.cli("leave", "--yes")));
  await Promise.all([quiet.remove(), open.remove()]);
}, 90_000);
