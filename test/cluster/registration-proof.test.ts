import { expect, test } from "bun:test";
import { makeCertificate } from "../../src/cluster/certificate.ts";
import { makeLinkKey, signingKeys } from "../../src/cluster/link-key.ts";
import { NODE_PATHS, NODE_PROTOCOL, registerAnswer } from "../../src/cluster/node-protocol.ts";
import { PROOF_TTL_MS } from "../../src/cluster/registration-proof.ts";
import { type CallSigner, callSigner, SIGNED_HEADER } from "../../src/cluster/signed-call.ts";
import { pinnedFetch } from "../../src/worker/leader-client.ts";
import {
  MACHINE,
  startTestLeader,
  startTestWorker,
  type TestLeader,
  type TestWorker,
} from "../support/in-process-cluster.ts";

const PATH = NODE_PATHS.registerAgain;
const INVENTORY = {
  hostname: "box",
  os: "linux",
  arch: "x64",
  cpuModel: "cpu",
  physicalCores: 1,
  logicalCores: 1,
  memoryBytes: 1,
  freeMemoryBytes: 1,
  gpus: [],
};

const proofOf = ({ proofs, clock }: TestLeader, { node, keys }: TestWorker): Promise<string> =>
  proofs.issue({ node, name: "box", machine: MACHINE, assign: true, linkKey: keys.linkKey, since: clock.now() });

const wish = (proof: string, keys: object, machine = MACHINE): string =>
  JSON.stringify({ protocol: NODE_PROTOCOL, proof, machine, version: "1", keys, addresses: [], inventory: INVENTORY });

/** Straight to the leader's port. */
async function post(leader: TestLeader, body: string, signer: CallSigner | string | null) {
  const signed =
    typeof signer === "string" ? signer : signer?.sign({ method: "POST", path: PATH, body }, leader.audience);
  const answer = await fetch(`https://${leader.address}${PATH}`, {
    method: "POST",
    body,
    headers: signed === undefined ? {} : { [SIGNED_HEADER]: signed },
    tls: pinnedFetch(leader.identity.certificate),
  });
  const value = (await answer.json()) as { error?: { code: string; message: string } };
  return { status: answer.status, code: value.error?.code ?? "", message: value.error?.message ?? "", value };
}

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
  const answer = await post(leader, wish(await proofOf(leader, worker), worker.keys), worker.signer);
  expect(answer.status).toBe(200);
  const read = registerAnswer.parse(answer.value);
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
  const { keys, signer } = thief(leader, worker.node);
  expect(await post(leader, body, null)).toMatchObject({ status: 401, code: "signature" });
  expect(await post(leader, body, signer)).toMatchObject({ status: 401, code: "signature" });
  expect(await post(leader, wish(proof, keys), signer)).toMatchObject({ status: 401, code: "proof_refused" });
  // The key's holder, with another machine's name or the proof of another node.
  const elsewhere = wish(proof, worker.keys, "cd".repeat(32));
  expect(await post(leader, elsewhere, worker.signer)).toMatchObject({ status: 401, code: "proof_refused" });
  await using second = await startTestWorker(leader, { node: "n_two", tunnel: false });
  const other = wish(await proofOf(leader, second), worker.keys);
  expect(await post(leader, other, worker.signer)).toMatchObject({ status: 401, code: "proof_refused" });
  expect(leader.seen).toEqual([]);
});

test("a call that was heard is not taken twice, nor with another body", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  const body = wish(await proofOf(leader, worker), worker.keys);
  const signed = worker.signer.sign({ method: "POST", path: PATH, body }, leader.audience);
  expect((await post(leader, body, signed)).status).toBe(200);
  expect(await post(leader, body, signed)).toMatchObject({ status: 401, code: "signature" });
  const changed = body.replace('"version":"1"', '"version":"2"');
  const fresh = worker.signer.sign({ method: "POST", path: PATH, body }, leader.audience);
  expect(await post(leader, changed, fresh)).toMatchObject({ status: 401, code: "signature" });
  expect(leader.seen.length).toBe(1);
});

test("changed, expired, and of another leader: refused in words", async () => {
  await using leader = await startTestLeader();
  await using other = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  const proof = await proofOf(leader, worker);
  const flipped = proof.replace(/.{4}$/, (end) => (end === "AAAA" ? "BBBB" : "AAAA"));
  for (const bad of [flipped, await proofOf(other, worker), "x"]) {
    const answer = await post(leader, wish(bad, worker.keys), worker.signer);
    expect(answer).toMatchObject({ status: 401, code: "proof_refused" });
    expect(answer.message).toContain("was not made by this leader");
  }
  for (const { clock } of [leader, worker]) clock.aheadMs = PROOF_TTL_MS + 1_000;
  const late = await post(leader, wish(proof, worker.keys), worker.signer);
  expect(late).toMatchObject({ status: 401, code: "proof_expired" });
  expect(leader.seen).toEqual([]);
  expect(leader.bugs).toEqual([]);
});

test("a clock that is wrong is said before anything is recorded", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  worker.clock.aheadMs = -6 * 60_000;
  const answer = await post(leader, wish(await proofOf(leader, worker), worker.keys), worker.signer);
  expect(answer).toMatchObject({ status: 401, code: "clock_skew" });
  expect(leader.seen).toEqual([]);
});

test("frames that are none, and keys that are none, are refused before the proof is looked at", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { tunnel: false });
  const proof = await proofOf(leader, worker);
  const extra = JSON.stringify({ ...(JSON.parse(wish(proof, worker.keys)) as object), surprise: 1 });
  expect(await post(leader, extra, worker.signer)).toMatchObject({ status: 400, code: "invalid" });
  const keys = { ...worker.keys, linkKey: "x".repeat(60) };
  expect(await post(leader, wish(proof, keys), worker.signer)).toMatchObject({ status: 400, code: "invalid" });
  const old = JSON.stringify({ ...(JSON.parse(wish(proof, worker.keys)) as object), protocol: 1 });
  expect(await post(leader, old, worker.signer)).toMatchObject({ status: 426, code: "protocol" });
});
