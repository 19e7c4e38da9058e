import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../src/cluster/process-identity.ts";
import { ask, DIALECTS, type DialectName, load, nodeWhere, replicaOf, streamOn } from "../support/cluster-client.ts";
import { waitedForCpuMs } from "../support/cpu-wait.ts";
import type { ClusterLeader } from "../support/start-cluster.ts";
import { poll, processesOf } from "../support/start-flock.ts";
import { type Ground, startTestCluster, type TestCluster, WORKERS } from "../support/test-cluster.ts";

/** What a cluster must live through, wherever its machines are. */
export interface Rig {
  readonly ground: Ground;
  readonly cluster: TestCluster;
}

/** Starts the cluster before the tests that follow, and stops it after them. */
export function sharedCluster(makeGround: () => Promise<Ground>): () => Rig {
  let ground: Ground | undefined;
  let cluster: TestCluster | undefined;
  beforeAll(async () => {
    ground = await makeGround();
    cluster = await startTestCluster(ground);
  }, 120_000);
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await ground?.[Symbol.asyncDispose]();
  }, 60_000);
  return () => {
    if (ground === undefined || cluster === undefined) throw new Error("the cluster did not start");
    return { ground, cluster };
  };
}

/** Until a request is answered elsewhere, with whatever else this machine does. */
const NEXT_MS = 1_000;
const short = (leader: ClusterLeader) => () => ask(leader, { maxTokens: 2 });

/** Answers of the load that are none of the model that was asked for. */
const wrong = (seen: readonly string[]): string[] => seen.filter((said) => !said.endsWith("/team"));

interface Job {
  readonly id: string;
  readonly state: string;
}

async function drain(leader: ClusterLeader, node: string): Promise<Job> {
  const answer = await leader.fetch(`/admin/v1/nodes/${node}/drain`, { method: "POST" });
  expect(answer.status).toBe(202);
  return ((await answer.json()) as { job: Job }).job;
}

const undrain = (leader: ClusterLeader, node: string): Promise<Response> =>
  leader.fetch(`/admin/v1/nodes/${node}/undrain`, { method: "POST" });

async function jobState(leader: ClusterLeader, id: string): Promise<string> {
  const answer = await leader.fetch(`/admin/v1/jobs/${id}`);
  return ((await answer.json()) as { job: Job }).job.state;
}

const succeeded = (leader: ClusterLeader, id: string): Promise<boolean> =>
  poll(60_000, async () => (await jobState(leader, id)) === "succeeded");

/** Agents and engines of a data directory, which must outlive their Flock. */
const living = (dataDir: string) => {
  const { agent, engines } = processesOf(dataDir);
  return { agent, engines: engines.toSorted((a, b) => a - b) };
};

export function routingScenarios(rig: () => Rig): void {
  test("a request goes to a node that has its model, over the link that leads there; what came by itself came whole", async () => {
    const { leader, workers, row } = rig().cluster;
    const [near, far, wide] = await Promise.all(WORKERS.map(row));
    expect([near?.link, far?.link, wide?.link]).toEqual(["lan", "tunnel", "tunnel"]);
    for (const node of [near, far]) {
      const answer = await streamOn(leader, node?.id ?? "");
      expect(replicaOf(answer)).toMatch(new RegExp(`^${node?.id}/.*/team$`));
      expect(await answer.text()).toMatch(/"content":"[^"]/);
    }
    const only = await ask(leader, { model: "wide-model", maxTokens: 5 });
    expect([only.status, replicaOf(only)]).toEqual([200, `${wide?.id}/embedded/wide-model`]);
    expect(replicaOf(await ask(leader, { model: "flock-tiny", maxTokens: 2 }))).toEndWith("/flock-tiny");
    expect((await ask(leader, { model: "team-2" })).status).toBe(404);
    const [from, to] = [workers.near, workers.far].map(({ dataDir }) =>
      readFileSync(join(dataDir, "models/team.gguf")),
    );
    expect(from !== undefined && to?.equals(from)).toBe(true);
  }, 60_000);

  test("a drain under load ends no answer, sends nothing new there, and says when it is done", async () => {
    const { leader, row, whole } = rig().cluster;
    const { id } = await row("near");
    const stopLoad = load(3, short(leader));
    // One that runs on the node when the drain begins.
    const long = await streamOn(leader, id);
    const job = await drain(leader, id);
    expect(await long.text()).toContain("data: [DONE]");
    await succeeded(leader, job.id);
    const seen = await stopLoad();
    expect([seen.length > 0, wrong(seen)]).toEqual([true, []]);
    const stopLater = load(3, short(leader));
    await nodeWhere(leader, "near", ({ state }) => state === "drained");
    const elsewhere = await ask(leader, { maxTokens: 2 });
    expect(replicaOf(elsewhere)).toStartWith((await row("far")).id);
    const later = await stopLater();
    expect(later.filter((replica) => !replica.endsWith("/team") || replica.startsWith(`${id}/`))).toEqual([]);
    expect((await undrain(leader, id)).status).toBe(200);
    await whole();
  }, 90_000);
}

export function failureScenarios(rig: () => Rig): void {
  test("a worker out of reach, and one whose clock goes wrong, are out of routing; healed they are back, and no request failed", async () => {
    const { ground, cluster } = rig();
    const { leader, workers, clock, row, whole } = cluster;
    const [near, wide] = await Promise.all([row("near"), row("wide")]);
    const stopLoad = load(3, short(leader));
    await ground.away("near", workers.near, true);
    clock.ahead(10);
    await Promise.all(["near", "wide"].map((name) => nodeWhere(leader, name, ({ state }) => state === "lost")));
    const refused = await ask(leader, { model: "wide-model", maxTokens: 2 });
    expect([refused.status, await refused.text()]).toEqual([503, expect.stringContaining("wide")]);
    expect(workers.wide.output()).toContain("10 minutes apart (the worker's is ahead)");
    await ground.away("near", workers.near, false);
    clock.ahead(0);
    await Promise.all(["near", "wide"].map((name) => nodeWhere(leader, name, ({ state }) => state === "ready")));
    await whole();
    // What had gone to the one that fell silent was asked again elsewhere.
    expect(wrong(await stopLoad())).toEqual([]);
    const [nearNow, wideNow] = await Promise.all([row("near"), row("wide")]);
    expect([nearNow.id, wideNow.id]).toEqual([near.id, wide.id]);
    expect([nearNow.epoch > near.epoch, wideNow.epoch > wide.epoch]).toEqual([true, true]);
    expect((await ask(leader, { model: "wide-model", maxTokens: 2 })).status).toBe(200);
  }, 120_000);

  test("kill -9 of a worker in mid-stream: each API's stream ends with its own error, the next request is elsewhere at once", async () => {
    const { leader, workers, row, whole } = rig().cluster;
    const { id, epoch } = await row("far");
    const names = Object.keys(DIALECTS) as DialectName[];
    const streams: { name: DialectName; reader: ReadableStreamDefaultReader<Uint8Array>; text: string }[] = [];
    for (const name of names) {
      const { body } = await streamOn(leader, id, { dialect: name, maxTokens: 3_000 });
      if (body === null) throw new Error("an answer without a body");
      streams.push({ name, reader: body.getReader(), text: "" });
    }
    const decoder = new TextDecoder();
    const readOn = async (stream: (typeof streams)[number], enough: (text: string) => boolean): Promise<void> => {
      while (!enough(stream.text)) {
        const { done, value } = await stream.reader.read();
        if (done) return;
        stream.text += decoder.decode(value);
      }
    };
    // Content has come on each: nothing of them can be asked again elsewhere.
    await Promise.all(streams.map((stream) => readOn(stream, (text) => text.length > 2_000)));
    await workers.far.kill();
    const busy = [process.pid, leader.leads(), ...processesOf(workers.near.dataDir).engines, workers.near.pid];
    const waitedMs = waitedForCpuMs(busy);
    const killedMs = performance.now();
    const next = await ask(leader, { maxTokens: 2 });
    const tookMs = performance.now() - killedMs - (waitedForCpuMs(busy) - waitedMs);
    expect([next.status, replicaOf(next).startsWith(`${id}/`)]).toEqual([200, false]);
    expect(tookMs).toBeLessThan(NEXT_MS);
    await Promise.all(streams.map((stream) => readOn(stream, () => false)));
    for (const { name, text } of streams) {
      expect([name, DIALECTS[name].failed.exec(text)?.[0]]).toEqual([name, expect.any(String)]);
      expect([name, text.includes(DIALECTS[name].whole)]).toEqual([name, false]);
    }
    await nodeWhere(leader, "far", ({ state }) => state === "lost");

    // Its agent and engine have lived on, and are taken over.
    const before = living(workers.far.dataDir);
    workers.far = workers.far.again();
    await whole();
    expect((await row("far")).epoch).toBeGreaterThan(epoch);
    expect(living(workers.far.dataDir)).toEqual(before);
    for (const pid of before.engines) expect(isAlive(pid)).toBe(true);
  }, 90_000);
}

export function leaderScenarios(rig: () => Rig): void {
  test("a restart of the leader under load refuses nobody; an answer that runs ends whole, and the drain that waits for it goes on", async () => {
    const { leader, row, whole } = rig().cluster;
    const { id } = await row("near");
    const stopLoad = load(3, short(leader));
    const long = await streamOn(leader, id, { maxTokens: 2_000 });
    let ended = false;
    const text = long.text().finally(() => (ended = true));
    const job = await drain(leader, id);
    await poll(20_000, async () => (await jobState(leader, job.id)) !== "queued");
    const old = leader.leads();
    const restarted = await leader.cli("restart");
    expect([restarted.code, restarted.stderr]).toEqual([0, ""]);
    expect(leader.leads()).not.toBe(old);
    await poll(60_000, async () => {
      const state = await jobState(leader, job.id);
      // It is the answer that it waits for, whichever process began it.
      if (state === "succeeded") expect(ended).toBe(true);
      return state === "succeeded";
    });
    expect(await text).toContain("data: [DONE]");
    // The old process has ended, so it is the new one that answers.
    const taken = await leader.nodes();
    expect((await row("near")).state).toBe("drained");
    const elsewhere = await ask(leader, { maxTokens: 2 });
    expect(replicaOf(elsewhere)).toStartWith((await row("far")).id);
    expect((await undrain(leader, id)).status).toBe(200);
    await whole();
    expect(wrong(await stopLoad())).toEqual([]);
    // Nobody was lost and came back since.
    const lives = (rows: typeof taken) => rows.map((node) => `${node.name} ${node.id} ${node.epoch}`);
    expect(lives(await leader.nodes())).toEqual(lives(taken));
  }, 120_000);

  test("kill -9 of the leader under load: new requests within 2 s of its start, workers within 10, nothing lost, a drain goes on", async () => {
    const { ground, cluster } = rig();
    const { leader, workers, row, whole } = cluster;
    const dirs = [leader.dataDir, workers.near.dataDir, workers.far.dataDir];
    const before = {
      nodes: await leader.nodes(),
      processes: dirs.map(living),
      wide: processesOf(workers.wide.dataDir),
    };
    const stopLoad = load(3, short(leader));
    const { id: wide } = await row("wide");
    await ground.slow(true);
    const job = await drain(leader, wide);
    await poll(20_000, async () => (await jobState(leader, job.id)) !== "queued");
    const stream = await streamOn(leader, (await row("near")).id);
    const old = leader.leads();
    process.kill(old, "SIGKILL");
    await poll(10_000, () => !isAlive(old));
    await stream.body?.cancel().catch(() => undefined);

    const startedMs = performance.now();
    const again = leader.again();
    const busy = [process.pid, again.pid, ...processesOf(leader.dataDir).engines];
    const took = (): number => performance.now() - startedMs - waitedForCpuMs(busy) + waitedMs;
    const waitedMs = waitedForCpuMs([process.pid, ...processesOf(leader.dataDir).engines]);
    await poll(30_000, async () => (await ask(leader, { model: "flock-tiny", maxTokens: 2 }).catch(() => null))?.ok);
    const servedMs = took();
    await poll(30_000, async () =>
      (await leader.nodes()).every(({ state }) => ["ready", "draining", "drained"].includes(state)),
    );
    const backMs = took();
    await ground.slow(false);
    expect(servedMs).toBeLessThan(2_000);
    expect(backMs).toBeLessThan(10_000);
    expect(leader.leads()).toBe(again.pid);

    await succeeded(leader, job.id);
    const moved = await ask(leader, { model: "wide-model", maxTokens: 2 });
    expect([moved.status, replicaOf(moved).startsWith(`${wide}/`)]).toEqual([200, false]);
    expect((await undrain(leader, wide)).status).toBe(200);
    await whole();
    const seen = await stopLoad();
    // Those that the dead process held broke, and those that nobody listened to; nobody was told anything wrong.
    expect(wrong(seen).filter((said) => said !== "broken")).toEqual([]);
    expect(seen.at(-1)).toEndWith("/team");
    const known = (rows: typeof before.nodes) => rows.map(({ id, name, role }) => ({ id, name, role }));
    const nodes = await leader.nodes();
    expect(known(nodes)).toEqual(known(before.nodes));
    for (const { name, models } of before.nodes) {
      const now = nodes.find((node) => node.name === name)?.models.map(({ id }) => id);
      if (name !== "wide") expect([name, now]).toEqual([name, expect.arrayContaining(models.map(({ id }) => id))]);
    }
    // Agents and engines, the leader's own among them, never noticed. What was moved away may be gone at its source.
    const processes = dirs.map(living);
    for (const [at, { agent, engines }] of before.processes.entries())
      expect([processes[at]?.agent, processes[at]?.engines]).toEqual([agent, expect.arrayContaining(engines)]);
    expect(processesOf(workers.wide.dataDir).agent).toBe(before.wide.agent);
  }, 120_000);
}
