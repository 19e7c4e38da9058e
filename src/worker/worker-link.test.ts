import { expect, test } from "bun:test";
import { join } from "node:path";
import { MACHINE, startTestLeader, type TestLeader } from "../../test/support/in-process-cluster.ts";
import { poll } from "../../test/support/start-flock.ts";
import { newLife } from "../cluster/signed-call.ts";
import { makeCertificate } from "../cluster/certificate.ts";
import { makeLinkKey } from "../cluster/link-key.ts";
import type { NodeCredential, RemovedFrom } from "../cluster/node-credential.ts";
import { err, ok } from "../core/result.ts";
import { openWorkerLink, type WorkerLink } from "./worker-link.ts";

const FOREVER = new AbortController().signal;
const NODE = "n_one";
const BEAT = { heartbeatMs: 5_000, addresses: [], drained: false, rotate: false };

interface Rig extends AsyncDisposable {
  readonly link: WorkerLink;
  readonly kept: (NodeCredential | RemovedFrom)[];
  /** While true nothing can be kept. */
  full: boolean;
  /** More of the answer that the engine gives; null: that was all. */
  say(text: string | null): void;
}

/** A worker's real link to the leader, by its own port and its tunnel, with an engine that says what it is told. */
async function rig(leader: TestLeader, proof: string | null): Promise<Rig> {
  const { certificate, key } = makeCertificate(Date.now());
  const { linkKey, linkPrivateKey } = makeLinkKey();
  const keys = { linkKey, certificate };
  const known = { id: leader.identity.id, keys: leader.identity, addresses: [leader.address] };
  const kept: Rig["kept"] = [];
  let answer: ReadableStreamDefaultController<Uint8Array> | null = null;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (answer = controller) });
  const worker = { full: false };
  const opened = openWorkerLink({
    credential: { node: NODE, keys, certificateKey: key, linkPrivateKey, leader: known, proof },
    keep(changed) {
      if (worker.full) throw new Error("no space left on the disk");
      kept.push(changed);
    },
    version: "1",
    clock: leader.clock,
    newLife,
    listen: { host: "127.0.0.1", port: 0, otherPorts: false },
    socket: join(leader.dir, "worker.sock"),
    fetch: async () => ok(new Response(body)),
    call: async () => err({ kind: "refused", message: "", mend: "" }),
    portOf: async () => null,
    dialled: () => undefined,
    log: () => undefined,
  });
  if (!opened.ok) throw new Error(opened.error);
  const link = opened.value;
  leader.known.set(NODE, { keys, next: null, revoked: false });
  leader.links.put({ node: NODE, keys, addresses: [`127.0.0.1:${link.port}`] });
  await poll(5_000, () => leader.links.kindOf(NODE) === "lan");
  return Object.assign(worker, {
    link,
    kept,
    say: (text: string | null) => (text === null ? answer?.close() : answer?.enqueue(Buffer.from(text))),
    [Symbol.asyncDispose]: () => link.close(),
  });
}

test("an answer that runs over the node's own port outlives a renewal of its credential", async () => {
  await using leader = await startTestLeader();
  await using worker = await rig(leader, "a proof");
  worker.say("before");
  const answer = await leader.links.fetch(NODE, "engine", { method: "POST", path: "/x", body: "{}" }, FOREVER);
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
  const reader = answer.value.body?.getReader();
  const read = async (): Promise<string> => Buffer.from((await reader?.read())?.value ?? []).toString();
  expect(await read()).toBe("before");

  worker.link.heard(BEAT);
  expect(worker.kept).toEqual([]);
  worker.link.heard({ ...BEAT, rotate: true });
  await poll(5_000, () => worker.kept.length === 1);
  const [renewed] = worker.kept as NodeCredential[];
  const beat = await worker.link.calls.call("POST", "/admin/v1/nodes/leave", {}, FOREVER);
  expect([beat.ok, leader.seen]).toEqual([true, [`rotated ${NODE}`, `leave ${NODE}`]]);
  // The leader is shown the new certificate, and takes it.
  leader.links.put({
    node: NODE,
    keys: renewed?.keys ?? leader.identity,
    addresses: [`127.0.0.1:${worker.link.port}`],
  });
  await poll(5_000, () => leader.links.kindOf(NODE) === "lan");
  worker.say("after");
  expect(await read()).toBe("after");
  worker.say(null);
  expect((await reader?.read())?.done).toBe(true);

  const machine = MACHINE;
  const linkKey = renewed?.keys.linkKey ?? "";
  expect(await leader.proofs.check(renewed?.proof ?? "", { machine, linkKey })).toMatchObject({ ok: true });
});

test("a credential without a proof is renewed once, for the sake of one", async () => {
  await using leader = await startTestLeader();
  await using worker = await rig(leader, null);
  worker.link.heard(BEAT);
  await poll(5_000, () => worker.kept.length === 1);
  expect(worker.link.credential().proof).toStartWith("eyJ");
  worker.link.heard(BEAT);
  worker.link.heard(BEAT);
  await worker.link.calls.call("POST", "/admin/v1/nodes/leave", {}, FOREVER);
  expect(worker.kept.length).toBe(1);
});

test("a removed node keeps who it was and why, and nothing after that", async () => {
  await using leader = await startTestLeader();
  await using worker = await rig(leader, "a proof");
  worker.link.remove({ at: 1, message: "removed", mend: "flock join" });
  worker.link.registered(worker.link.credential().keys.linkKey, "another proof");
  const { id, address } = { id: leader.identity.id, address: leader.address };
  expect(worker.kept).toEqual([
    { node: NODE, leader: { id, addresses: [address] }, removed: { at: 1, message: "removed", mend: "flock join" } },
  ]);
});

test("a full disk neither ends a worker nor lets it use a credential that it could not keep", async () => {
  await using leader = await startTestLeader();
  await using worker = await rig(leader, "a proof");
  const before = worker.link.credential();
  worker.full = true;
  worker.link.heard({ ...BEAT, addresses: [leader.address, "10.0.0.1:8081"] });
  expect(worker.link.credential().leader.addresses).toEqual([leader.address, "10.0.0.1:8081"]);
  worker.link.heard({ ...BEAT, rotate: true });
  await poll(5_000, () => leader.known.get(NODE)?.next !== null);
  const call = () => worker.link.calls.call("POST", "/admin/v1/nodes/leave", {}, FOREVER);
  expect((await call()).ok).toBe(true);
  expect([worker.link.credential().keys, worker.kept]).toEqual([before.keys, []]);
  worker.full = false;
  await poll(5_000, () => {
    worker.link.heard({ ...BEAT, rotate: true });
    return worker.kept.length > 0;
  });
  expect(worker.link.credential().keys).not.toEqual(before.keys);
  expect((await call()).ok).toBe(true);
});
