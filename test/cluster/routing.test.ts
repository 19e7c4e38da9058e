import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type ClusterLeader,
  type ClusterNode,
  startClusterLeader,
  startClusterWorker,
} from "../support/start-cluster.ts";
import { poll } from "../support/start-flock.ts";

// The same model on the leader's machine and on a worker: two replicas.
const model = { id: "team", says: "we are many" };
let leader: ClusterLeader;
let worker: ClusterNode;

beforeAll(async () => {
  const env = { FLOCK_ENGINE_EMBEDDED_THREADS: "1", FLOCK_ENGINE_EMBEDDED_SLOTS: "2" };
  leader = await startClusterLeader({ model, env });
  worker = await startClusterWorker(leader, {
    model,
    env: { ...env, FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" },
    flags: ["--name", "one"],
  });
  await poll(60_000, async () => (await explain()).replicas.length === 2);
}, 90_000);

afterAll(async () => {
  await worker?.remove();
  await leader?.remove();
}, 60_000);

interface Explained {
  readonly replicas: readonly {
    readonly id: string;
    readonly node: string;
    readonly taken: boolean;
    readonly reason: string;
  }[];
}

async function explain(): Promise<Explained> {
  const headers = { authorization: `Bearer ${leader.adminKey}` };
  const answer = await fetch(`${leader.url}/admin/v1/route?model=team`, { headers });
  return answer.ok ? ((await answer.json()) as Explained) : { replicas: [] };
}

async function ask(content: string, session?: string): Promise<{ readonly replica: string; readonly route: string }> {
  const answer = await fetch(`${leader.url}/v1/chat/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${leader.adminKey}`,
      ...(session === undefined ? {} : { "x-session-id": session }),
    },
    body: JSON.stringify({ model: "team", messages: [{ role: "user", content }] }),
  });
  expect(answer.status).toBe(200);
  await answer.text();
  return { replica: answer.headers.get("x-flock-replica") ?? "", route: answer.headers.get("x-flock-route") ?? "" };
}

test("a conversation stays on the node that served it; a drained node's conversations go to the other", async () => {
  // Two at once are put apart by the load; should one have ended before the other came, two new ones are.
  const [one, two] = await poll(30_000, async () => {
    const names = [crypto.randomUUID(), crypto.randomUUID()];
    const pair = await Promise.all(names.map(async (name) => ({ name, ...(await ask("hello", name)) })));
    const [a, b] = pair;
    return a && b && a.replica !== b.replica ? ([a, b] as const) : null;
  });
  for (let turn = 0; turn < 3; turn += 1) {
    expect(await ask("and again", one.name)).toEqual({ replica: one.replica, route: "exact; session" });
    expect(await ask("and again", two.name)).toEqual({ replica: two.replica, route: "exact; session" });
  }
  const document = "The flock stands on the hill and the dog goes round it. ".repeat(40);
  for (const { name, replica } of [one, two]) {
    await ask(`${replica}: ${document}`, name);
    const next = await ask(`${replica}: ${document} What does the dog do?`);
    expect(next.replica).toBe(replica);
    expect(next.route).toMatch(/^exact; prefix of ~\d+ tokens$/);
  }

  expect((await leader.cli("node", "drain", "one")).code).toBe(0);
  await poll(30_000, async () => (await explain()).replicas.length === 1);
  const [local] = (await explain()).replicas;
  expect(local?.taken).toBe(true);
  for (const { name } of [one, two]) expect((await ask("still there?", name)).replica).toBe(local?.id ?? "");
  expect((await leader.cli("node", "undrain", "one")).code).toBe(0);
  await poll(30_000, async () => (await explain()).replicas.length === 2);
}, 120_000);
