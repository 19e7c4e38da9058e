import { expect, test } from "bun:test";
import { makeCertificate } from "../../src/cluster/certificate.ts";
import { makeLinkKey, signingKeys } from "../../src/cluster/link-key.ts";
import { NODE_PATHS, NODE_PROTOCOL, registerAnswer } from "../../src/cluster/node-protocol.ts";
import { PROOF_TTL_MS } from "../../src/cluster/registration-proof.ts";
import { callSigner } from "../../src/cluster/signed-call.ts";
import {
  MACHINE,
  startTestLeader,
  startTestWorker,
  type TestLeader,
  type TestWorker,
} from "../support/in-process-cluster.ts";
import { ABOUT, post, signed } from "../support/worker-frames.ts";

const PATH = NODE_PATHS.registerAgain;
const proofOf = ({ proofs, clock }: TestLeader, { node, keys }: TestWorker): Promise<string> =>
  proofs.issue({ node, name: "box", machine: MACHINE, assign: true, linkKey: keys.linkKey, since: clock.now() });

const { assign: _, name: __, ...REST } = ABOUT;
const wish = (proof: string, keys: object, machine = MACHINE): string =>
  JSON.stringify({ ...REST, protocol: NODE_PROTOCOL, proof, machine, keys });

const show = (leader: TestLeader, body: string, by: Pick<TestWorker, "signer"> | null) =>
  post(leader, PATH, body, by === null ? {} : signed(leader, by, PATH, body));

/** Somebody with a key of his own who takes this node's name. */
function thief(leader: TestLeader, node: string) {
  const { linkKey, linkPrivateKey } = makeLinkKey();
  const { certificate } = makeCertificate(Date.now());
  const key = signingKeys(linkPrivateKey, leader.identity.linkKey).toLeader;
  return { keys: { linkKey, certificate }, signer: callSigner({ node, key, clock: leader.clock, life: "thiefthief" }) };
}

test("a node without a record shows its proof, signs, and is known again with a new proof", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  leader.known.delete(worker.node);
  const answer = await show(leader, wish(await proofOf(leader, worker), worker.keys), worker);
  expect(answer.status).toBe(200);
  const read = registerAnswer.parse(answer.body);
  expect([read.node, read.protocol]).toEqual([worker.node, NODE_PROTOCOL]);
  const { linkKey } = worker.keys;
  expect(await leader.proofs.check(read.proof, { linkKey, machine: MACHINE })).toMatchObject({ ok: true });
  expect(leader.seen).toEqual(["register again box"]);
});

test("a proof that was stolen is good for nothing without the key that it names", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  leader.known.delete(worker.node);
  const proof = await proofOf(leader, worker);
  const body = wish(proof, worker.keys);
  const somebody = thief(leader, worker.node);
  expect(await show(leader, body, null)).toMatchObject({ status: 401, code: "signature" });
  expect(await show(leader, body, somebody)).toMatchObject({ status: 401, code: "signature" });
  expect(await show(leader, wish(proof, somebody.keys), somebody)).toMatchObject({
    status: 401,
    code: "proof_refused",
  });
  // The key's holder, with another machine's name or the proof of another node.
  const elsewhere = wish(proof, worker.keys, "cd".repeat(32));
  expect(await show(leader, elsewhere, worker)).toMatchObject({ status: 401, code: "proof_refused" });
  await using second = await startTestWorker(leader, { node: "n_two", tunnel: false });
  const other = wish(await proofOf(leader, second), worker.keys);
  expect(await show(leader, other, worker)).toMatchObject({ status: 401, code: "proof_refused" });
  expect(leader.seen).toEqual([]);
});

test("a call that was heard is not taken twice, nor with another body", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  const body = wish(await proofOf(leader, worker), worker.keys);
  const heard = signed(leader, worker, PATH, body);
  expect((await post(leader, PATH, body, heard)).status).toBe(200);
  expect(await post(leader, PATH, body, heard)).toMatchObject({ status: 401, code: "signature" });
  const changed = body.replace('"version":"1"', '"version":"2"');
  expect(await post(leader, PATH, changed, signed(leader, worker, PATH, body))).toMatchObject({
    status: 401,
    code: "signature",
  });
  expect(leader.seen.length).toBe(1);
});

test("changed, expired, and of another leader: refused in words", async () => {
  await using leader = await startTestLeader();
  await using other = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  const proof = await proofOf(leader, worker);
  const flipped = proof.replace(/.{4}$/, (end) => (end === "AAAA" ? "BBBB" : "AAAA"));
  for (const bad of [flipped, await proofOf(other, worker), "x"]) {
    const answer = await show(leader, wish(bad, worker.keys), worker);
    expect(answer).toMatchObject({ status: 401, code: "proof_refused" });
    expect(answer.message).toContain("was not made by this leader");
  }
  for (const { clock } of [leader, worker]) clock.aheadMs = PROOF_TTL_MS + 1_000;
  const late = await show(leader, wish(proof, worker.keys), worker);
  expect(late).toMatchObject({ status: 401, code: "proof_expired" });
  expect(leader.seen).toEqual([]);
  expect(leader.bugs).toEqual([]);
});

test("a clock that is wrong is said before anything is recorded", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  worker.clock.aheadMs = -6 * 60_000;
  const answer = await show(leader, wish(await proofOf(leader, worker), worker.keys), worker);
  expect(answer).toMatchObject({ status: 401, code: "clock_skew" });
  expect(leader.seen).toEqual([]);
});

test("frames that are none, and keys that are none, are refused before the proof is looked at", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  const proof = await proofOf(leader, worker);
  const extra = JSON.stringify({ ...(JSON.parse(wish(proof, worker.keys)) as object), surprise: 1 });
  expect(await show(leader, extra, worker)).toMatchObject({ status: 400, code: "invalid" });
  const keys = { ...worker.keys, linkKey: "x".repeat(60) };
  expect(await show(leader, wish(proof, keys), worker)).toMatchObject({ status: 400, code: "invalid" });
  const old = JSON.stringify({ ...(JSON.parse(wish(proof, worker.keys)) as object), protocol: 1 });
  expect(await show(leader, old, worker)).toMatchObject({ status: 426, code: "protocol" });
});
