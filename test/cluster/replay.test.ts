import { afterAll, beforeAll, expect, test } from "bun:test";
import { NODE_PROTOCOL } from "../../src/cluster/node-protocol.ts";
import { connectRaw } from "../../src/cluster/raw-connect.ts";
import { firstLine } from "../../src/cluster/transport/accept-node.ts";
import { readFirstLine } from "../../src/cluster/transport/json-lines.ts";
import { TUNNEL_METHOD, TUNNEL_WORD, tunnelAnswer, tunnelPath } from "../../src/cluster/transport/tunnel-frames.ts";
import { nodeWhere, servedBy } from "../support/cluster-client.ts";
import { asLeader, asWorker, audienceAt, type Caller, credentialOf, send } from "../support/signed-calls.ts";
import {
  type ClusterLeader,
  type ClusterNode,
  startClusterLeader,
  startClusterWorker,
} from "../support/start-cluster.ts";
import { poll } from "../support/start-flock.ts";
import type { Door } from "../support/test-cluster.ts";

let leader: ClusterLeader;
let worker: ClusterNode;

beforeAll(async () => {
  leader = await startClusterLeader();
  worker = await startClusterWorker(leader, {
    env: { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" },
    model: { id: "near-model" },
    flags: ["--name", "near", "--no-assign"],
  });
}, 90_000);

afterAll(async () => {
  await worker?.remove();
  await leader?.remove();
}, 60_000);

const doorAt = (address: string | undefined): Door => ({ url: `https://127.0.0.1:${/\d+$/.exec(address ?? "")?.[0]}` });
const LOOK = { method: "GET", path: "/admin/v1/nodes" } as const;
const LOOK_AT_WORKER = { method: "GET", path: "/v1/process" } as const;
const REFUSED = "421 audience";

/** A call that was taken once, as somebody has recorded it. */
async function recorded(look: typeof LOOK | typeof LOOK_AT_WORKER, door: Door, caller: Caller): Promise<string> {
  const { signer, tls } = caller;
  const signed = signer.sign({ ...look, body: "" }, await audienceAt(door, caller));
  expect(await send(door, { ...look, tls, signed })).toBe("200");
  expect(await send(door, { ...look, tls, signed })).toBe("401 signature");
  return signed;
}

/** What a worker dials, and what the leader says to it. */
async function dial(of: ClusterNode, hello: object): Promise<string> {
  const { leader: known } = credentialOf(of.dataDir);
  const port = Number(/\d+$/.exec(known.addresses[0] ?? "")?.[0]);
  const tls = { pinned: known.keys.certificate };
  const connected = await connectRaw({ host: "127.0.0.1", port, tls }, AbortSignal.timeout(5_000));
  if (!connected.ok) return connected.error.message;
  connected.value.write(firstLine(TUNNEL_WORD, hello));
  const answer = tunnelAnswer.parse(await readFirstLine(connected.value, AbortSignal.timeout(5_000)));
  connected.value.destroy();
  return "ok" in answer ? "ok" : answer.error.code;
}

/** The worker is there, by its own port, and serves. */
async function whole(epoch: (before: number) => boolean): Promise<void> {
  await nodeWhere(leader, "near", (row) => row.state === "ready" && row.link === "lan" && epoch(row.epoch));
  await servedBy(leader, "near-model", ["near"]);
}

/** The leader is killed, and started again. */
async function crash(): Promise<void> {
  process.kill(leader.leads(), "SIGKILL");
  leader = { ...leader, ...leader.again() };
  await poll(30_000, () => leader.nodes().catch(() => null));
}

test("a worker's call that was recorded is refused after a restart of the leader, a graceful one and a crash", async () => {
  const door = doorAt(credentialOf(worker.dataDir).leader.addresses[0]);
  const caller = asWorker(worker);
  const { tls } = caller;
  await whole(() => true);
  const before = await recorded(LOOK, door, caller);
  const leads = leader.leads();
  const over = new AbortController();
  const restarted = leader.cli("restart").finally(() => over.abort());
  // While both processes serve, too, whichever of them is asked.
  const answers = new Set<string>();
  while (!over.signal.aborted) {
    answers.add(await send(door, { ...LOOK, tls, signed: before }));
    // No race: whoever starts needs its share of the machine.
    await Bun.sleep(20);
  }
  expect((await restarted).code).toBe(0);
  expect(leader.leads()).not.toBe(leads);
  expect(await send(door, { ...LOOK, tls, signed: before })).toBe(REFUSED);
  answers.delete("closed");
  expect([...answers].filter((answer) => answer !== REFUSED && answer !== "401 signature")).toEqual([]);
  await whole(() => true);

  const between = await recorded(LOOK, door, caller);
  await crash();
  await whole(() => true);
  for (const signed of [before, between]) expect(await send(door, { ...LOOK, tls, signed })).toBe(REFUSED);
  await recorded(LOOK, door, caller);
}, 90_000);

test("the first line of a worker's tunnel that was recorded is refused after a crash of the leader", async () => {
  const door = doorAt(credentialOf(worker.dataDir).leader.addresses[0]);
  const caller = asWorker(worker);
  const call = { method: TUNNEL_METHOD, path: tunnelPath("exchange"), body: null };
  const signed = caller.signer.sign(call, await audienceAt(door, caller));
  const hello = { protocol: NODE_PROTOCOL, oldestProtocol: NODE_PROTOCOL, kind: "exchange", signed };
  expect([await dial(worker, hello), await dial(worker, hello)]).toEqual(["ok", "signature"]);
  await crash();
  await whole(() => true);
  expect(await dial(worker, hello)).toBe("audience");
}, 60_000);

test("a leader's call that was recorded is refused after a restart of the worker, a graceful one and a crash", async () => {
  const caller = asLeader(leader, worker);
  const { tls } = caller;
  for (const end of ["terminate", "kill"] as const) {
    const { addresses, epoch } = await nodeWhere(leader, "near", ({ state }) => state === "ready");
    const before = await recorded(LOOK_AT_WORKER, doorAt(addresses[0]), caller);
    await worker[end]();
    worker = worker.again();
    // Calls of the leader itself come there by themselves, each of them made out anew once.
    await whole((now) => now !== epoch);
    const again = await nodeWhere(leader, "near", ({ state }) => state === "ready");
    expect(await send(doorAt(again.addresses[0]), { ...LOOK_AT_WORKER, tls, signed: before })).toBe(REFUSED);
  }
}, 90_000);
