import { expect, test } from "bun:test";
import { makeCertificate } from "../../src/cluster/certificate.ts";
import { makeLinkKey } from "../../src/cluster/link-key.ts";
import { NODE_PATHS, NODE_PROTOCOL } from "../../src/cluster/node-protocol.ts";
import { connectRaw } from "../../src/cluster/raw-connect.ts";
import { callSigner, SIGNED_HEADER } from "../../src/cluster/signed-call.ts";
import { firstLine } from "../../src/cluster/transport/accept-node.ts";
import { readFirstLine } from "../../src/cluster/transport/json-lines.ts";
import { TUNNEL_METHOD, TUNNEL_WORD, tunnelPath } from "../../src/cluster/transport/tunnel-frames.ts";
import { pinnedFetch } from "../../src/worker/leader-client.ts";
import { startTestLeader, startTestWorker, type TestLeader } from "../support/in-process-cluster.ts";
import { poll } from "../support/start-flock.ts";
import { ABOUT, BEAT, post, signed } from "../support/worker-frames.ts";

const FOREVER = new AbortController().signal;

test("a worker's signed call is taken once; replayed, tampered and stripped ones never reach the handlers", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  const path = NODE_PATHS.heartbeat;
  const body = JSON.stringify(BEAT);
  const headers = signed(leader, worker, path, body);
  expect(await post(leader, path, body, headers)).toMatchObject({ status: 200, body: { addresses: [leader.address] } });
  expect(await post(leader, path, body, headers)).toMatchObject({ status: 401, code: "signature" });
  const changed = body.replace('"sequence":7', '"sequence":8');
  expect(await post(leader, path, changed, signed(leader, worker, path, body))).toMatchObject({
    status: 401,
    code: "signature",
  });
  expect(await post(leader, NODE_PATHS.leave, body, signed(leader, worker, path, body))).toMatchObject({
    code: "signature",
  });
  expect(await post(leader, path, body, {})).toMatchObject({ status: 401, code: "signature" });
  const bearer = { authorization: "Bearer whatever" };
  expect(await post(leader, path, body, bearer)).toMatchObject({ status: 401, code: "signature" });
  expect(leader.seen).toEqual(["heartbeat n_one 7"]);
});

test("what a worker makes out to a process of before is made out anew: calls, commands and its tunnel", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  const beat = async (): Promise<boolean> => (await worker.leader.call("POST", NODE_PATHS.heartbeat, BEAT, FOREVER)).ok;
  expect(worker.audience.now).toBe("-");
  expect([await beat(), worker.audience.now]).toEqual([true, leader.audience]);
  worker.audience.heard("gonegone");
  expect([await beat(), worker.audience.now]).toEqual([true, leader.audience]);
  worker.audience.heard("gonegone");
  const request = new Request("http://local/admin/v1/status", { method: "POST", body: "hello" });
  const answer = await worker.leader.fetch(request, FOREVER);
  expect(answer.ok ? await answer.value.json() : answer.error).toMatchObject({ node: "n_one", body: "hello" });
  worker.audience.heard("gonegone");
  worker.dialer.start();
  await poll(5_000, () => leader.links.kindOf(worker.node) === "tunnel");
  expect(worker.refusals).toEqual([]);
  expect(leader.seen).toEqual(["heartbeat n_one 7", "heartbeat n_one 7"]);
});

test("a clock that is wrong by more than five minutes is refused in words, and put right it works", async () => {
  const skewed: string[] = [];
  await using leader = await startTestLeader({ skewed: (node) => void skewed.push(node) });
  await using worker = await startTestWorker(leader, { tunnel: false });
  worker.clock.aheadMs = 6 * 60_000;
  // Whoever is not this node makes nobody believe so.
  const { node, clock } = worker;
  const stranger = callSigner({ node, clock, key: new Uint8Array(32), life: "strangers" });
  const body = JSON.stringify(BEAT);
  const forged = {
    [SIGNED_HEADER]: stranger.sign({ method: "POST", path: NODE_PATHS.heartbeat, body }, leader.audience),
  };
  expect(await post(leader, NODE_PATHS.heartbeat, body, forged)).toMatchObject({ status: 401, code: "signature" });
  expect(skewed).toEqual([]);
  const late = await worker.leader.call("POST", NODE_PATHS.heartbeat, BEAT, FOREVER);
  expect(late.ok ? {} : late.error).toMatchObject({ kind: "refused", code: "clock_skew", status: 401 });
  expect(skewed).toEqual([node]);
  expect(JSON.stringify(late)).toContain("6 minutes apart (the worker's is ahead)");
  worker.clock.aheadMs = 4 * 60_000;
  expect((await worker.leader.call("POST", NODE_PATHS.heartbeat, BEAT, FOREVER)).ok).toBe(true);
});

test("a stranger, a removed node and another node's key are told apart", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  const entry = leader.known.get(worker.node);
  if (entry === undefined) throw new Error("no entry");
  const ask = async (): Promise<unknown> => {
    const answer = await worker.leader.call("POST", NODE_PATHS.heartbeat, BEAT, FOREVER);
    return answer.ok
      ? "taken"
      : answer.error.kind === "refused"
        ? `${answer.error.status} ${answer.error.code}`
        : answer.error;
  };
  leader.known.set(worker.node, { ...entry, keys: { ...entry.keys, linkKey: makeLinkKey().linkKey } });
  expect(await ask()).toBe("401 signature");
  leader.known.set(worker.node, { ...entry, revoked: true });
  expect(await ask()).toBe("401 revoked");
  leader.known.delete(worker.node);
  expect(await ask()).toBe("404 unknown_node");
});

test("a credential rotates while the tunnel is open, and the old one ends with the first use of the new", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader);
  await poll(5_000, () => leader.links.kindOf(worker.node) === "tunnel");
  const next = makeLinkKey();
  const keys = { linkKey: next.linkKey, certificate: makeCertificate(Date.now()).certificate };
  const old = worker.signer;
  expect((await worker.leader.call("POST", NODE_PATHS.rotate, { keys }, FOREVER)).ok).toBe(true);
  // Both are good until the new one was used.
  expect((await worker.leader.call("POST", NODE_PATHS.heartbeat, BEAT, FOREVER)).ok).toBe(true);
  worker.turn(next.linkPrivateKey);
  expect((await worker.leader.call("POST", NODE_PATHS.heartbeat, BEAT, FOREVER)).ok).toBe(true);
  expect(leader.seen).toContain("rotated n_one");
  const body = JSON.stringify(BEAT);
  const stale = { [SIGNED_HEADER]: old.sign({ method: "POST", path: NODE_PATHS.heartbeat, body }, leader.audience) };
  expect(await post(leader, NODE_PATHS.heartbeat, body, stale)).toMatchObject({ status: 401, code: "signature" });
  // The leader's calls to the worker, under the new key, through the tunnel that was there before.
  expect(leader.links.kindOf(worker.node)).toBe("tunnel");
  const call = await leader.links.fetch(worker.node, "none", { method: "GET", path: "/x" }, FOREVER);
  expect(call.ok ? "" : call.error).toMatchObject({ kind: "engine_unreachable", endpoint: "nowhere" });
});

test("a removed node's tunnel is closed, and it is not let in again", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader);
  await poll(5_000, () => leader.links.kindOf(worker.node) === "tunnel");
  const entry = leader.known.get(worker.node);
  if (entry) leader.known.set(worker.node, { ...entry, revoked: true });
  leader.links.remove(worker.node);
  expect(leader.links.kindOf(worker.node)).toBeNull();
  await poll(5_000, () => worker.refusals.some((line) => line.includes("(revoked)")));
});

test("a join token is good for one machine, for five minutes, at its leader; a refused wish does not spend it", async () => {
  await using leader = await startTestLeader();
  await using other = await startTestLeader();
  const { certificate } = makeCertificate(Date.now());
  const wish = (machine: string, changes: object = {}) =>
    JSON.stringify({
      ...ABOUT,
      protocol: NODE_PROTOCOL,
      machine: machine.repeat(64),
      name: `box-${machine}`,
      keys: { linkKey: makeLinkKey().linkKey, certificate },
      ...changes,
    });
  const ask = (at: TestLeader, body: string, token: string) =>
    post(at, NODE_PATHS.register, body, { authorization: `Bearer ${token}` });
  const { token } = await leader.tokens.issue([leader.address]);
  expect(await ask(other, wish("a"), token)).toMatchObject({ status: 401, code: "token_foreign" });
  expect(await ask(leader, wish("a", { surprise: 1 }), token)).toMatchObject({ status: 400, code: "invalid" });
  expect(await ask(leader, wish("a", { keys: { linkKey: "x".repeat(60), certificate } }), token)).toMatchObject({
    status: 400,
  });
  expect(await ask(leader, wish("a", { protocol: 9 }), token)).toMatchObject({
    status: 200,
    body: { protocol: NODE_PROTOCOL },
  });
  expect(await ask(leader, wish("b"), token)).toMatchObject({ status: 401, code: "token_used" });
  expect(await ask(leader, wish("b"), "")).toMatchObject({ status: 401, code: "token_foreign" });
  const late = await leader.tokens.issue([leader.address]);
  leader.clock.aheadMs = 301_000;
  expect(await ask(leader, wish("b"), late.token)).toMatchObject({ status: 401, code: "token_expired" });
  leader.clock.aheadMs = 0;
  const { token: contested } = await leader.tokens.issue([leader.address]);
  const race = await Promise.all(["c", "d", "e", "f"].map((machine) => ask(leader, wish(machine), contested)));
  expect(race.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 401, 401, 401]);
  expect(leader.bugs).toEqual([]);
});

test("frames of protocol 3, made out to nobody, are understood", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  const before = JSON.stringify({ ...BEAT, protocol: 3 });
  const call = { method: "POST", path: NODE_PATHS.heartbeat, body: before };
  const beat = await post(leader, NODE_PATHS.heartbeat, before, { [SIGNED_HEADER]: worker.signer.sign(call, null) });
  expect([beat.status, Object.keys(beat.body as object).toSorted()]).toEqual([
    200,
    ["addresses", "drained", "heartbeatMs", "rotate"],
  ]);
  const { keys } = worker;
  const wish = { ...ABOUT, protocol: 3, keys };
  const { token } = await leader.tokens.issue([leader.address]);
  const joined = JSON.stringify(wish);
  const answer = await post(leader, NODE_PATHS.register, joined, { authorization: `Bearer ${token}` });
  expect([answer.status, Object.keys(answer.body as object).toSorted()]).toEqual([
    200,
    ["heartbeatMs", "leader", "node", "proof", "protocol"],
  ]);
  expect(answer.body).toMatchObject({ protocol: 3 });
  const dial = async (hello: object): Promise<unknown> => {
    const [host = "", port] = leader.address.split(":");
    const tls = { pinned: leader.identity.certificate };
    const connected = await connectRaw({ host, port: Number(port), tls }, FOREVER);
    if (!connected.ok) throw new Error(connected.error.message);
    connected.value.write(firstLine(TUNNEL_WORD, hello));
    return await readFirstLine(connected.value, AbortSignal.timeout(5_000));
  };
  const sign = (audience: string | null) =>
    worker.signer.sign({ method: TUNNEL_METHOD, path: tunnelPath("control"), body: null }, audience);
  const old = { protocol: 3, oldestProtocol: 2, kind: "control" };
  expect(await dial({ ...old, signed: sign(null) })).toEqual({ ok: true, protocol: 3 });
  expect(leader.links.kindOf(worker.node)).toBe("tunnel");
  const later = { protocol: 5, oldestProtocol: 4, kind: "control", audience: worker.check.audience };
  expect(await dial({ ...later, signed: sign(leader.audience) })).toEqual({ ok: true, protocol: NODE_PROTOCOL });
  // Who could name the one that it calls has to.
  for (const signed of [sign(null), sign("-"), sign("someoneelse")])
    expect(await dial({ ...later, signed })).toMatchObject({ error: { code: "audience", audience: leader.audience } });
  const tooNew = { protocol: 9, oldestProtocol: 8, kind: "control", signed: sign(leader.audience) };
  expect(await dial(tooNew)).toMatchObject({ error: { code: "protocol", mend: "flock update   # on the leader" } });
  const future = JSON.stringify({ ...BEAT, protocol: 9 });
  const refused = await post(
    leader,
    NODE_PATHS.heartbeat,
    future,
    signed(leader, worker, NODE_PATHS.heartbeat, future),
  );
  expect(refused).toMatchObject({ status: 426, code: "protocol" });
  expect(await dial({ ...old, signed: "forged" })).toMatchObject({
    error: { code: "signature" },
  });
});

test("a beat may refer to an earlier one, in today's protocol alone and in the right form", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  const beat = async (over: object): Promise<string> => {
    const answer = await worker.leader.call("POST", NODE_PATHS.heartbeat, { ...BEAT, ...over }, FOREVER);
    return answer.ok ? "taken" : answer.error.kind === "refused" ? answer.error.code : answer.error.message;
  };
  const state = { since: 7, freeMemoryBytes: 5 };
  expect(await beat({ state })).toBe("taken");
  expect(await beat({ state, protocol: 3 })).toBe("invalid");
  for (const wrong of [{ since: 7 }, { ...state, since: 0 }, { ...state, since: "7" }, { ...state, version: 1 }, null])
    expect(await beat({ state: wrong })).toBe("invalid");
});

test("a worker takes calls of its leader alone: no client certificate, no signature, no replay", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false, lan: true });
  await poll(5_000, () => leader.links.kindOf(worker.node) === "lan");
  const url = `https://127.0.0.1:${worker.port.port}/v1/process/start`;
  const own = { cert: leader.identity.certificate, key: leader.identity.certificateKey };
  const ask = (tls: object) =>
    fetch(url, {
      method: "POST",
      body: "{}",
      keepalive: false,
      tls: { ...pinnedFetch(worker.keys.certificate), ...tls },
    });
  const closed = () => "closed" as const;
  expect(await ask({}).catch(closed)).toBe("closed");
  const stranger = makeCertificate(Date.now());
  expect(await ask({ cert: stranger.certificate, key: stranger.key }).catch(closed)).toBe("closed");
  const unsigned = await ask(own);
  expect(unsigned.status).toBe(401);
  // The worker's own signature, made for the other direction.
  const header = worker.signer.sign({ method: "POST", path: "/v1/process/start", body: "{}" }, worker.check.audience);
  const reflected = await fetch(url, {
    method: "POST",
    body: "{}",
    headers: { [SIGNED_HEADER]: header },
    tls: { ...pinnedFetch(worker.keys.certificate), ...own },
  });
  expect(reflected.status).toBe(401);
});

test("other admin calls of a worker reach the leader as that node's, body and all", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  const request = new Request("http://local/admin/v1/status?x=1", { method: "POST", body: "hello" });
  const answer = await worker.leader.fetch(request, FOREVER);
  expect(answer.ok ? await answer.value.json() : answer.error).toEqual({
    path: "/admin/v1/status",
    node: "n_one",
    body: "hello",
  });
});
