import { expect, test } from "bun:test";
import { recentAudit } from "../../store/audit.ts";
import { openTestStore, type TestStore } from "../../store/test-store.ts";
import type { RemoteNode } from "../link.ts";
import type { NodeHandlers } from "../node-endpoint.ts";
import type { HeartbeatRequest, RegisterRequest } from "../node-protocol.ts";
import { NodeBook } from "./node-book.ts";
import { nodeDirectory, nodeHandlers } from "./node-handlers.ts";
import { type RegistryRig, registryRig, stateOf } from "./test-registry.ts";

const KEYS = { linkKey: "LINK-KEY-1", certificate: "c1" };
const FROM = { peer: "10.0.0.7", token: "once" };

const request = (over: Partial<RegisterRequest> = {}): RegisterRequest => ({
  protocol: 2,
  machine: "a".repeat(64),
  name: "gpu-tower",
  version: "1",
  keys: KEYS,
  addresses: ["10.0.0.7:8443"],
  inventory: stateOf("x", []).inventory as RegisterRequest["inventory"],
  assign: true,
  ...over,
});

const beat = (over: Partial<HeartbeatRequest> = {}): HeartbeatRequest => ({
  protocol: 2,
  epoch: 1,
  sequence: 1,
  version: "1",
  addresses: ["10.0.0.7:8443"],
  state: stateOf("whatever", ["a"]),
  load: [{ replica: "n/embedded/a", running: 1, waiting: 2 }],
  utilisation: { cpu: 0.5, gpu: null },
  ...over,
});

interface Rig extends RegistryRig {
  readonly book: NodeBook;
  readonly handlers: NodeHandlers;
  readonly linked: Map<string, RemoteNode>;
}

async function rig(t: TestStore): Promise<Rig> {
  const base = registryRig();
  const linked = new Map<string, RemoteNode>();
  const book = await NodeBook.open(t.store);
  const handlers = nodeHandlers({
    book,
    registry: base.registry,
    links: {
      put: (node) => void linked.set(node.node, node),
      remove: (id) => void linked.delete(id),
      kindOf: () => null,
    },
    now: () => t.clock.now(),
    url: () => "http://leader:8080",
    joined: () => undefined,
    admin: async () => new Response(),
  });
  return { ...base, book, handlers, linked };
}

async function join(handlers: NodeHandlers, over: Partial<RegisterRequest> = {}): Promise<string> {
  const joined = await handlers.register(request(over), FROM);
  if (!joined.ok) throw new Error(joined.error.message);
  return joined.value.node;
}

test("a node that registers is kept, linked and routed to after its first beat", async () => {
  await using t = await openTestStore();
  const { handlers, linked, registry, routes } = await rig(t);
  const id = await join(handlers);
  expect(linked.get(id)?.addresses).toEqual(["10.0.0.7:8443"]);
  const answer = await handlers.heartbeat(beat(), { node: id, peer: null });
  expect(answer).toMatchObject({ ok: true, value: { drained: false, rotate: false } });
  expect(routes.get(id)).toEqual(["a"]);
  expect(registry.get(id)).toMatchObject({ name: "gpu-tower", utilisation: { cpu: 0.5 } });
  expect(await recentAudit(t.store.sql, { limit: 5 })).toMatchObject([
    { action: "node.register", actor: "join token from 10.0.0.7", target: id, after: { name: "gpu-tower" } },
  ]);
  expect(JSON.stringify(await recentAudit(t.store.sql, { limit: 5 }))).not.toContain("LINK-KEY");
});

test("a machine that joins again takes its old record's place, another of the same name gets a number", async () => {
  await using t = await openTestStore();
  const { handlers, book, linked } = await rig(t);
  const first = await join(handlers);
  const again = await join(handlers, { keys: { linkKey: "k2", certificate: "c2" } });
  const other = await join(handlers, { machine: "b".repeat(64) });
  expect(again).toBe(first);
  expect(linked.get(first)?.keys.linkKey).toBe("k2");
  expect(book.list().map(({ id, name }) => [id, name])).toEqual([
    [first, "gpu-tower"],
    [other, "gpu-tower-2"],
  ]);
});

test("a removed node hears that it was removed, also after a restart of the leader", async () => {
  await using t = await openTestStore();
  const { handlers, book } = await rig(t);
  const id = await join(handlers);
  expect(await book.remove(id, { actor: "admin", action: "node.remove" })).toMatchObject({ ok: true });
  expect(nodeDirectory(book).keysOf(id)).toMatchObject({ revoked: true });
  const later = await NodeBook.open(t.store);
  expect(nodeDirectory(later).keysOf(id)).toMatchObject({ revoked: true });
  expect(later.list()).toEqual([]);
  expect(nodeDirectory(later).keysOf("n_nobody")).toBeNull();
  expect(await join((await rig(t)).handlers)).not.toBe(id);
});

test("a beat of a node without a record is refused as unknown, so that it registers again", async () => {
  await using t = await openTestStore();
  const { handlers } = await rig(t);
  const refused = await handlers.heartbeat(beat(), { node: "n_9", peer: null });
  expect(refused).toMatchObject({ ok: false, error: { code: "unknown_node" } });
});

test("a node that moved is linked at its new address", async () => {
  await using t = await openTestStore();
  const { handlers, linked, book } = await rig(t);
  const id = await join(handlers);
  await handlers.heartbeat(beat({ addresses: ["10.0.0.9:8443"] }), { node: id, peer: null });
  expect(linked.get(id)?.addresses).toEqual(["10.0.0.9:8443"]);
  expect((await NodeBook.open(t.store)).get(id)?.addresses).toEqual(["10.0.0.9:8443"]);
  expect(book.get(id)?.version).toBe("1");
});

test("old keys are to be replaced, and the first call with the next ones ends them", async () => {
  await using t = await openTestStore();
  const { handlers, book, linked } = await rig(t);
  const id = await join(handlers);
  t.clock.ms += 31 * 86_400_000;
  const from = { node: id, peer: null };
  expect(await handlers.heartbeat(beat(), from)).toMatchObject({ value: { rotate: true } });
  await handlers.rotate({ keys: { linkKey: "k2", certificate: "c2" } }, from);
  expect(nodeDirectory(book).keysOf(id)).toMatchObject({ keys: KEYS, next: { linkKey: "k2" } });
  handlers.rotated(id);
  expect(nodeDirectory(book).keysOf(id)).toMatchObject({ keys: { linkKey: "k2" }, next: null });
  expect(linked.get(id)?.keys.linkKey).toBe("k2");
});

test("a node that leaves is forgotten, and its going stands in the audit", async () => {
  await using t = await openTestStore();
  const { handlers, linked, registry } = await rig(t);
  const id = await join(handlers);
  expect(await handlers.leave({ node: id, peer: null })).toEqual({ ok: true, value: undefined });
  expect(linked.size).toBe(0);
  expect(registry.get(id)).toBeNull();
  expect((await recentAudit(t.store.sql, { limit: 1 }))[0]).toMatchObject({
    action: "node.leave",
    actor: `node ${id}`,
  });
});

test("a drain is kept and audited, and said to the node", async () => {
  await using t = await openTestStore();
  const { handlers, book } = await rig(t);
  const id = await join(handlers);
  await book.drain(id, "admin");
  await book.drain(id, "admin");
  expect(await handlers.heartbeat(beat(), { node: id, peer: null })).toMatchObject({ value: { drained: true } });
  expect((await NodeBook.open(t.store)).get(id)?.drainedAt).toBe(t.clock.now());
  await book.undrain(id, "admin");
  const actions = (await recentAudit(t.store.sql, { limit: 9 })).map(({ action }) => action);
  expect(actions.toSorted()).toEqual(["node.drain", "node.register", "node.undrain"]);
  expect(await book.remove("local", { actor: "a", action: "node.remove" })).toMatchObject({
    error: { kind: "not_found" },
  });
});
