import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../src/cluster/process-identity.ts";
import {
  type ClusterLeader,
  type ClusterNode,
  startClusterLeader,
  startClusterWorker,
} from "../support/start-cluster.ts";
import { poll, processesOf, temporaryDirectory } from "../support/start-flock.ts";

/** A leader that was started again has its workers back within this. */
const BACK_MS = 10_000;

const dataDir = temporaryDirectory();
let leader: ClusterLeader;
/** Reached at a port of its own. */
let near: ClusterNode;
/** Reached by its own connection alone. */
let far: ClusterNode;

const inDir = (name: string): string => join(dataDir, name);
const credentialOf = ({ dataDir: of }: ClusterNode): string => readFileSync(join(of, "node.json"), "utf8");
const keyIn = (credential: string): string => (JSON.parse(credential) as { keys: { linkKey: string } }).keys.linkKey;

beforeAll(async () => {
  await startLeader();
  keepCopy("empty.copy");
  [near, far] = await Promise.all([
    startClusterWorker(leader, {
      env: { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" },
      model: { id: "near-model", says: "near speaks" },
      flags: ["--name", "near", "--no-assign"],
    }),
    startClusterWorker(leader, {
      model: { id: "far-model", says: "far answers" },
      flags: ["--name", "far", "--no-assign"],
    }),
  ]);
  keepCopy("joined.copy");
}, 90_000);

afterAll(async () => {
  await Promise.all([near?.remove(), far?.remove()]);
  await leader?.remove();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

async function startLeader(env: Record<string, string> = {}): Promise<void> {
  // What the block says of models is no matter here: some of them come with the workers.
  leader = await startClusterLeader({ dataDir, env, waitFor: /Admin API key/ });
}

/** A copy of the database as it is now. */
function keepCopy(name: string): void {
  using database = new Database(inDir("state.db"), { readonly: true });
  database.run("vacuum into ?", [inDir(name)]);
}

/** The leader does not run: a copy takes the place of its database. */
function putCopy(name: string): void {
  for (const end of ["-wal", "-shm"]) rmSync(inDir(`state.db${end}`), { force: true });
  copyFileSync(inDir(name), inDir("state.db"));
}

/** As after a crash: its agent lives on. */
async function crashAndPutBack(name: string): Promise<void> {
  await leader.kill();
  putCopy(name);
  await startLeader();
}

async function ask(model: string): Promise<string> {
  const answer = await fetch(`${leader.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${leader.adminKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] }),
    keepalive: false,
  });
  const body = (await answer.json()) as { choices?: { message: { content: string } }[] };
  return body.choices?.[0]?.message.content ?? `status ${answer.status}`;
}

/** How long it took until both models were served again. */
async function backAfterMs(): Promise<number> {
  const startedMs = performance.now();
  for (const [model, says] of [
    ["near-model", "near speaks"],
    ["far-model", "far answers"],
  ] as const) {
    await poll(30_000, async () => (await ask(model)) === says);
  }
  return performance.now() - startedMs;
}

const audit = async (): Promise<string> => (await leader.cli("audit")).stdout;

test("a leader whose database is of before they joined has its workers back by themselves, and they serve", async () => {
  await backAfterMs();
  const ids = (await leader.nodes()).map(({ name, id }) => `${name} ${id}`).toSorted();
  const before = [near, far].map((worker) => ({ ...processesOf(worker.dataDir), key: keyIn(credentialOf(worker)) }));
  await leader.terminate();
  putCopy("empty.copy");
  await startLeader();
  expect(await backAfterMs()).toBeLessThan(BACK_MS);
  const nodes = await leader.nodes();
  expect(nodes.map(({ name, id }) => `${name} ${id}`).toSorted()).toEqual(ids);
  for (const name of ["near", "far"]) {
    const id = nodes.find((node) => node.name === name)?.id ?? "";
    expect(await audit()).toMatch(new RegExp(`node ${id} +node\\.register-again +${id}`));
  }
  expect(near.output()).toContain("registered again");
  // The same processes, agents and engines, and soon a new credential, for them alone.
  for (const [at, worker] of [near, far].entries()) {
    expect(isAlive(worker.pid)).toBe(true);
    const { key, ...processes } = before[at] ?? { key: "" };
    expect(processesOf(worker.dataDir)).toEqual(processes as ReturnType<typeof processesOf>);
    await poll(BACK_MS, () => keyIn(credentialOf(worker)) !== key);
    expect(statSync(join(worker.dataDir, "node.json")).mode & 0o777).toBe(0o600);
  }
  expect(await backAfterMs()).toBeLessThan(BACK_MS);
}, 90_000);

test("a database of before their credentials were renewed takes the newer ones", async () => {
  const keys = [near, far].map((worker) => keyIn(credentialOf(worker)));
  await crashAndPutBack("joined.copy");
  expect(await backAfterMs()).toBeLessThan(BACK_MS);
  expect(await audit()).toContain("node.register-again");
  // Renewed once more, since then.
  for (const [at, worker] of [near, far].entries()) await poll(BACK_MS, () => keyIn(credentialOf(worker)) !== keys[at]);
}, 60_000);

test("a leader that is killed while its workers come back has them afterwards", async () => {
  const told = [near, far].map((worker) => worker.output().length);
  await crashAndPutBack("empty.copy");
  // One of them has just been written down, and hears of it or does not.
  await poll(
    BACK_MS,
    () => /registered again/.test(near.output().slice(told[0])) || far.output().length > (told[1] ?? 0),
  );
  await leader.kill();
  await startLeader();
  expect(await backAfterMs()).toBeLessThan(BACK_MS);
}, 90_000);

test("another leader at the same place is named as that, and nobody goes over to it", async () => {
  const { nodePort } = JSON.parse(readFileSync(inDir("leader-identity.json"), "utf8")) as { nodePort: number };
  await leader.kill();
  renameSync(inDir("leader-identity.json"), inDir("identity.kept"));
  await startLeader({ FLOCK_CLUSTER_LISTEN: `127.0.0.1:${nodePort}` });
  await poll(20_000, () => near.output().includes("another leader answers"));
  expect(near.output()).toContain("flock leave, then flock join with a new token");
  const status = await near.cli("node", "ls");
  expect([status.code === 0, status.stderr]).toEqual([false, expect.stringContaining("another leader answers")]);
  await leader.kill();
  renameSync(inDir("identity.kept"), inDir("leader-identity.json"));
  await startLeader();
  expect(await backAfterMs()).toBeLessThan(BACK_MS);
}, 90_000);

test("a node that was removed ends, keeps no credential, and does not come back with a database of before", async () => {
  const stolen = credentialOf(far);
  const { id } = (await leader.nodes()).find(({ name }) => name === "far") ?? { id: "" };
  expect((await leader.cli("node", "remove", "far", "--yes")).code).toBe(0);
  await poll(30_000, () => far.output().includes("→ flock"));
  expect(far.output()).toContain(`✗ node ${id} was removed from the cluster`);
  const left = credentialOf(far);
  expect(left).toContain('"removed"');
  expect(left).not.toMatch(/PRIVATE KEY|linkKey|proof/);
  // It does not become a leader of its own either, however it is started.
  const up = await far.cli("up");
  expect([up.code === 0, up.stderr]).toEqual([false, expect.stringContaining("was removed from the cluster")]);
  expect(up.stderr).toContain("flock leave");

  for (const copy of ["joined.copy", "empty.copy"]) {
    await crashAndPutBack(copy);
    await poll(BACK_MS, async () => (await ask("near-model")) === "near speaks");
    expect((await leader.nodes()).map(({ name }) => name)).not.toContain("far");
    // Somebody has kept what it had.
    writeFileSync(join(far.dataDir, "node.json"), stolen);
    const again = await far.cli("up");
    expect([again.code === 0, again.stderr]).toEqual([false, expect.stringContaining("was removed from the cluster")]);
    expect(credentialOf(far)).not.toContain("PRIVATE KEY");
  }
  expect((await leader.nodes()).map(({ name }) => name)).not.toContain("far");
}, 120_000);

test("a removed machine joins again with a new token, as a new node; one that leaves is as free", async () => {
  const again = await startClusterWorker(leader, { dataDir: far.dataDir, flags: ["--name", "far", "--no-assign"] });
  await poll(30_000, async () =>
    (await leader.nodes()).some(({ name, state }) => name === "far" && state !== "joining"),
  );
  await leader.cli("node", "remove", "far", "--yes");
  await poll(30_000, () => again.output().includes("→ flock"));
  const left = await again.cli("leave", "--yes");
  expect(left.stdout).toContain("has left the cluster");
  expect(left.stderr).not.toContain("could not be told");
}, 60_000);

test("a worker of before there were proofs ends with the words for a new token", async () => {
  await near.cli("down");
  const { proof: _, ...old } = JSON.parse(credentialOf(near)) as { proof: string };
  await crashAndPutBack("empty.copy");
  writeFileSync(join(near.dataDir, "node.json"), JSON.stringify(old));
  const up = await near.cli("up");
  expect(up.stderr).toMatch(/✗ this leader has no record of node \S+\n\s+→ flock join .*flock token create --node/);
  // Nobody removed it: its credential stays.
  expect(credentialOf(near)).toContain("PRIVATE KEY");
}, 60_000);
