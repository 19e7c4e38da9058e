import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificate } from "../../src/cluster/certificate.ts";
import type { LinkFailure, NodeOperation } from "../../src/cluster/link.ts";
import { availableModels } from "../../src/cluster/node-operations.ts";
import { connectRaw } from "../../src/cluster/raw-connect.ts";
import { type DirectWay, digestOfParts } from "../../src/cluster/ticket.ts";
import { firstLine } from "../../src/cluster/transport/accept-node.ts";
import { toByteStream } from "../../src/cluster/transport/byte-stream.ts";
import { openDirect, TICKET_WORD } from "../../src/cluster/transport/ticket-stream.ts";
import { err, ok, type Result } from "../../src/core/result.ts";
import { startTestLeader, startTestWorker, type TestLeader, type TestWorker } from "../support/in-process-cluster.ts";
import { poll } from "../support/start-flock.ts";

const FOREVER = new AbortController().signal;
const BYTES = new Uint8Array(3_000_000).map((_, at) => (at * 11) % 253);
const dir = mkdtempSync(join(tmpdir(), "flock-tickets-"));
const path = join(dir, "m.gguf");
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let leader: TestLeader;
/** Has the file, and a port. */
let holder: TestWorker;
/** Comes for it. */
let caller: TestWorker;
let other: TestWorker;
let sha256: string;

beforeEach(async () => {
  writeFileSync(path, BYTES);
  sha256 = new Bun.CryptoHasher("sha256").update(BYTES).digest("hex");
  leader = await startTestLeader();
  holder = await startTestWorker(leader, { node: "n_two", lan: true, tunnel: false, call: agentOf });
  caller = await startTestWorker(leader, { node: "n_one", lan: true, tunnel: false, call: agentOf });
  other = await startTestWorker(leader, { node: "n_three", lan: true, tunnel: false, call: agentOf });
});
afterEach(async () => {
  for (const one of [holder, caller, other, leader]) await one[Symbol.asyncDispose]();
});

/** What an agent tells of its files. */
async function agentOf<Answer>({ path: asked, read }: NodeOperation<Answer>): Promise<Result<Answer, LinkFailure>> {
  const part = { name: "m.gguf", bytes: BYTES.length, sha256 };
  const answer =
    asked === "/v1/models"
      ? { models: [{ id: "m", path, bytes: BYTES.length, engine: null, default: false }] }
      : { parts: [part], doneBytes: 1, totalBytes: 1 };
  const told = read(answer);
  return told === null ? err({ kind: "refused", message: "no", mend: "" }) : ok(told.value);
}

const wayFor = (who: TestWorker, service: "file/m" | "engine/rpc" = "file/m", to = holder): DirectWay => {
  const digest = service === "file/m" ? digestOfParts([{ sha256 }]) : null;
  const way = leader.links.directWay(who.node, to.node, service, digest);
  if (way === null) throw new Error("no way");
  return way;
};
const ownOf = ({ keys, certificateKey }: TestWorker) => ({ certificate: keys.certificate, key: certificateKey });

async function bytesOf(way: DirectWay, who: TestWorker, from: number): Promise<Buffer> {
  const opened = await openDirect(way, ownOf(who), { part: 0, from }, FOREVER);
  if (!opened.ok) throw new Error(opened.error);
  return Buffer.from(await new Response(toByteStream(opened.value, FOREVER).readable).bytes());
}

async function refusal(way: DirectWay, own = ownOf(caller), wish: object = { part: 0, from: 0 }): Promise<string> {
  const opened = await openDirect(way, own, wish, FOREVER);
  if (!opened.ok) return opened.error;
  opened.value.destroy();
  return "opened";
}

test("a worker fetches a file from another one with a ticket, whole or from an offset on", async () => {
  const way = wayFor(caller);
  expect((await bytesOf(way, caller, 0)).equals(BYTES)).toBe(true);
  expect((await bytesOf(way, caller, 2_999_990)).equals(BYTES.subarray(2_999_990))).toBe(true);
  expect((await bytesOf(way, caller, BYTES.length)).length).toBe(0);
});

test("a ticket is refused when it is forged, expired, another node's, for another node, or for other bytes", async () => {
  const way = wayFor(caller);
  const [text = "", mac = ""] = way.ticket.split(".");
  const claims = JSON.parse(Buffer.from(text, "base64url").toString()) as object;
  const changed = Buffer.from(JSON.stringify({ ...claims, service: "process/p_1" })).toString("base64url");
  expect(await refusal({ ...way, ticket: `${changed}.${mac}` })).toBe("the ticket is not one of this node's leader");
  expect(await refusal(way, ownOf(other))).toBe("the ticket is another node's");
  const elsewhere = wayFor(caller, "file/m", other);
  const { addresses, certificate } = way;
  expect(await refusal({ ...elsewhere, addresses, certificate })).toBe("the ticket is not one of this node's leader");
  holder.clock.aheadMs = 5 * 60_000 + 1;
  expect(await refusal(way)).toBe("the ticket has expired");
  holder.clock.aheadMs = 0;
  expect(await refusal(way, ownOf(caller), { part: 3, from: 0 })).toBe("the file of m is not there");
  expect(await refusal(way, ownOf(caller), { part: 0, from: BYTES.length + 1 })).toBe(
    "the file of m has 3000000 bytes",
  );
  sha256 = "0".repeat(64);
  expect(await refusal(way)).toBe("the file of m is another one by now");
});

test("nobody gets in without a certificate, without a ticket, or with HTTP; the caller sees that it is the right node", async () => {
  const way = wayFor(caller);
  const [host = "", port = ""] = (way.addresses[0] ?? "").split(":");
  const heard = async (own: ReturnType<typeof ownOf> | null, bytes: Uint8Array): Promise<string> => {
    const tls = { pinned: way.certificate, ...(own === null ? {} : { own }) };
    const connected = await connectRaw({ host, port: Number(port), tls }, FOREVER);
    if (!connected.ok) return "closed";
    const { readable } = toByteStream(connected.value, FOREVER);
    connected.value.write(bytes);
    return (await new Response(readable).text()) || "closed";
  };
  const hello = firstLine(TICKET_WORD, { ticket: way.ticket, part: 0, from: 2_999_999 });
  expect(await heard(null, hello)).toBe("closed");
  const http = Buffer.from("GET /v1/hello HTTP/1.1\r\nhost: x\r\n\r\n");
  expect(await heard(ownOf(caller), http)).toBe("closed");
  for (const word of ["STREAM", "TUNNEL", "NONE"]) {
    expect(await heard(ownOf(caller), firstLine(word, { service: "engine/rpc", signed: "x" }))).toBe("closed");
  }
  expect(await heard(ownOf(caller), firstLine(TICKET_WORD, { ticket: "" }))).toContain("the first line is no hello");
  const stranger = makeCertificate(Date.now());
  expect(await refusal({ ...way, certificate: stranger.certificate })).toContain("it shows another certificate");
});

test("the first address that answers is taken; when none does the reasons are told within the deadline", async () => {
  const way = wayFor(caller);
  const [good = ""] = way.addresses;
  expect(await refusal({ ...way, addresses: ["127.0.0.1:1", good] })).toBe("opened");
  // A port that takes connections and never says anything.
  using silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const addresses = ["127.0.0.1:1", `127.0.0.1:${silent.port}`];
  const opened = await openDirect({ ...way, addresses }, ownOf(caller), {}, FOREVER, 300);
  expect(opened.ok ? "" : opened.error.split(", ").sort()).toEqual(["no answer", "nothing listens there"]);
});

test("a raw byte stream to a service of another worker goes by the same tickets, to that service alone", async () => {
  using echo = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket, bytes) => void socket.write(bytes) },
  });
  const engine = { id: "rpc", endpoint: `http://127.0.0.1:${echo.port}` };
  await using server = await startTestWorker(leader, { node: "n_four", lan: true, tunnel: false, engine });
  const way = wayFor(caller, "engine/rpc", server);
  const opened = await openDirect(way, ownOf(caller), {}, FOREVER);
  if (!opened.ok) throw new Error(opened.error);
  const over = new AbortController();
  const { readable, writable } = toByteStream(opened.value, over.signal);
  await writable.getWriter().write(Buffer.from("ping"));
  const { value } = await readable.getReader().read();
  expect(Buffer.from(value ?? []).toString()).toBe("ping");
  over.abort();
  expect(await refusal(wayFor(caller, "engine/rpc"))).toBe("there is no engine/rpc on this node");
});

test("nobody is given a way to the leader's own machine, to itself from there, or to one that listens nowhere", async () => {
  await using closed = await startTestWorker(leader, { node: "n_five", tunnel: false });
  for (const [from, to] of [
    [caller.node, "local"],
    ["local", holder.node],
    [caller.node, closed.node],
    [caller.node, "n_none"],
  ] as const) {
    expect(leader.links.directWay(from, to, "file/m", null)).toBeNull();
  }
});

test("guests that say nothing keep others out only so far as they are there, and never the leader", async () => {
  const way = wayFor(caller);
  const [host = "", port = ""] = (way.addresses[0] ?? "").split(":");
  const tls = { pinned: way.certificate, own: ownOf(other) };
  const idle = await Promise.all(
    Array.from({ length: 64 }, () => connectRaw({ host, port: Number(port), tls }, FOREVER)),
  );
  await poll(5_000, async () => (await refusal(way)) === "no answer");
  expect((await leader.links.call(holder.node, availableModels(), FOREVER)).ok).toBe(true);
  for (const one of idle) if (one.ok) one.value.destroy();
  await poll(5_000, async () => (await refusal(way)) === "opened");
});
