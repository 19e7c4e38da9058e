import { expect, test } from "bun:test";
import { recentAudit } from "../../store/audit.ts";
import { listNodes, markRemoved, putNode } from "../../store/nodes.ts";
import { openTestStore, type TestStore } from "../../store/test-store.ts";
import type { RemoteNode } from "../link.ts";
import type { NodeHandlers } from "../node-endpoint.ts";
import type { HeartbeatRequest, RegisterAgainRequest, RegisterRequest } from "../node-protocol.ts";
import type { ProofSubject } from "../registration-proof.ts";
import { NodeBook } from "./node-book.ts";
import { nodeDirectory, nodeHandlers } from "./node-handlers.ts";
import { ownRows } from "./own-rows.ts";
import { REMOVED_KEPT_MS, RemovedNodes } from "./removed-nodes.ts";
import { type RegistryRig, registryRig, stateOf } from "./test-registry.ts";

const KEYS = { linkKey: "LINK-KEY-1", certificate: "c1" };
const FROM = { peer: "10.0.0.7", token: "once" };

const request = (over: Partial<RegisterRequest> = {}): RegisterRequest => ({
  protocol: 4,
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
  protocol: 4,
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

/** As a leader finds it at its start. */
async function openBook({ store, dir, clock }: TestStore): Promise<NodeBook> {
  const removed = RemovedNodes.open(dir, clock.now());
  if (!removed.ok) throw new Error(removed.error.message);
  return await NodeBook.open(store, removed.value, ownRows(""));
}

async function rig(t: TestStore): Promise<Rig> {
  const base = registryRig();
  const linked = new Map<string, RemoteNode>();
  const book = await openBook(t);
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
    log: () => undefined,
  });
  return { ...base, book, handlers, linked };
}

async function join(handlers: NodeHandlers, over: Partial<RegisterRequest> = {}): Promise<string> {
  const joined = await handlers.register(request(over), FROM);
  if (!joined.ok) throw new Error(joined.error.message);
  return joined.value.subject.node;
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
  const later = await openBook(t);
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

test("a beat that refers to a state which this leader was not told is refused, so that the node tells all", async () => {
  await using t = await openTestStore();
  const { handlers, registry, routes } = await rig(t);
  const from = { node: await join(handlers), peer: null };
  const refers = (sequence: number) => beat({ sequence, state: { since: 1, freeMemoryBytes: 5 } });
  expect(await handlers.heartbeat(refers(2), from)).toMatchObject({ ok: false, error: { code: "state_unknown" } });
  expect((await handlers.heartbeat(beat(), from)).ok).toBe(true);
  expect((await handlers.heartbeat(refers(2), from)).ok).toBe(true);
  expect(registry.get(from.node)?.state?.inventory.freeMemoryBytes).toBe(5);
  expect(registry.get(from.node)?.load).toEqual(new Map([[`${from.node}/embedded/a`, 3]]));
  expect(routes.get(from.node)).toEqual(["a"]);
});

test("a node that moved is linked at its new address", async () => {
  await using t = await openTestStore();
  const { handlers, linked, book } = await rig(t);
  const id = await join(handlers);
  await handlers.heartbeat(beat({ addresses: ["10.0.0.9:8443"] }), { node: id, peer: null });
  expect(linked.get(id)?.addresses).toEqual(["10.0.0.9:8443"]);
  expect((await openBook(t)).get(id)?.addresses).toEqual(["10.0.0.9:8443"]);
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
  expect((await openBook(t)).get(id)?.drainedAt).toBe(t.clock.now());
  await book.undrain(id, "admin");
  const actions = (await recentAudit(t.store.sql, { limit: 9 })).map(({ action }) => action);
  expect(actions.toSorted()).toEqual(["node.drain", "node.register", "node.undrain"]);
  expect(await book.remove("local", { actor: "a", action: "node.remove" })).toMatchObject({
    error: { kind: "not_found" },
  });
});

function again(joined: RegisterRequest = request()): RegisterAgainRequest {
  const { protocol, machine, version, keys, addresses, inventory } = joined;
  return { protocol, machine, version, keys, addresses, inventory, proof: "checked before" };
}

/** What the leader said of a node when it joined. */
async function joinedSubject(handlers: NodeHandlers, over: Partial<RegisterRequest> = {}): Promise<ProofSubject> {
  const joined = await handlers.register(request(over), FROM);
  if (!joined.ok) throw new Error(joined.error.message);
  return joined.value.subject;
}

/** The database is put back from a copy of before anything joined; what lies beside it stays. */
async function lose(t: TestStore): Promise<Rig> {
  await t.store.write((tx) => tx`delete from nodes`);
  return await rig(t);
}

test("a node without a record comes back under its id and name, routed to after its next beat, and audited", async () => {
  await using t = await openTestStore();
  const subject = await joinedSubject((await rig(t)).handlers, { assign: false });
  const { handlers, book, linked, routes } = await lose(t);
  t.clock.ms += 1_000;
  const addresses = ["10.0.0.9:8443"];
  const done = await handlers.registerAgain(again(request({ addresses })), subject);
  expect(done).toMatchObject({ ok: true, value: { subject } });
  expect(book.get(subject.node)).toMatchObject({ name: "gpu-tower", keys: KEYS, keysAt: subject.since, assign: false });
  expect(linked.get(subject.node)?.addresses).toEqual(addresses);
  expect(await handlers.heartbeat(beat(), { node: subject.node, peer: null })).toMatchObject({ ok: true });
  expect(routes.get(subject.node)).toEqual(["a"]);
  const [row, ...rest] = await recentAudit(t.store.sql, { limit: 1 });
  expect(row).toMatchObject({
    actor: `node ${subject.node}`,
    action: "node.register-again",
    target: subject.node,
    before: null,
    after: { name: "gpu-tower" },
  });
  expect(rest).toEqual([]);
});

test("asked twice, since the answer was lost, it is the same node and one entry in the audit", async () => {
  await using t = await openTestStore();
  const subject = await joinedSubject((await rig(t)).handlers);
  const { handlers, book } = await lose(t);
  const both = await Promise.all([handlers.registerAgain(again(), subject), handlers.registerAgain(again(), subject)]);
  expect(both.map(({ ok }) => ok)).toEqual([true, true]);
  expect(book.list().length).toBe(1);
  const entries = await recentAudit(t.store.sql, { limit: 9 });
  expect(entries.filter(({ action }) => action === "node.register-again").length).toBe(1);
});

test("several that come back at once keep their own names, and so do two that both were called alike", async () => {
  await using t = await openTestStore();
  const before = await rig(t);
  const subjects = await Promise.all(
    ["a", "b", "c"].map((machine) => joinedSubject(before.handlers, { machine: machine.repeat(64) })),
  );
  expect(subjects.map(({ name }) => name)).toEqual(["gpu-tower", "gpu-tower-2", "gpu-tower-3"]);
  const { handlers, book } = await lose(t);
  const stranger = await joinedSubject(handlers, { machine: "d".repeat(64) });
  const done = await Promise.all(
    subjects
      .toReversed()
      .map((subject) => handlers.registerAgain(again(request({ machine: subject.machine })), subject)),
  );
  expect(done.every(({ ok }) => ok)).toBe(true);
  const names = Object.fromEntries(book.list().map(({ id, name }) => [id, name]));
  expect(names[stranger.node]).toBe("gpu-tower");
  expect(subjects.slice(1).map(({ node }) => names[node])).toEqual(["gpu-tower-2", "gpu-tower-3"]);
  expect(new Set(Object.values(names)).size).toBe(4);
});

test("a removed node does not come back, by a database of before its removal neither", async () => {
  await using t = await openTestStore();
  const { handlers, book } = await rig(t);
  const subject = await joinedSubject(handlers);
  const copy = book.get(subject.node);
  await book.remove(subject.node, { actor: "admin", action: "node.remove" });
  const revoked = { ok: false, error: { code: "revoked", message: expect.stringContaining("was removed") } };
  expect(await handlers.registerAgain(again(), subject)).toMatchObject(revoked);

  // Of before it joined.
  const without = await lose(t);
  expect(nodeDirectory(without.book).keysOf(subject.node)).toMatchObject({ revoked: true });
  expect(await without.handlers.registerAgain(again(), subject)).toMatchObject(revoked);

  // Of between its joining and its removal.
  if (copy !== null) await t.store.write((tx) => putNode(tx, copy));
  const between = await rig(t);
  expect(between.book.list()).toEqual([]);
  expect(nodeDirectory(between.book).keysOf(subject.node)).toMatchObject({ revoked: true });
  expect((await recentAudit(t.store.sql, { limit: 1 }))[0]).toMatchObject({ actor: "leader", action: "node.remove" });

  // Another leader of the same database removed it.
  const elsewhere = await joinedSubject(between.handlers);
  await t.store.write((tx) => markRemoved(tx, elsewhere.node, t.clock.now()));
  const keys = { linkKey: "k2", certificate: "c2" };
  const turned = { ...elsewhere, linkKey: "k2", since: elsewhere.since + 1 };
  expect(await between.handlers.registerAgain(again(request({ keys })), turned)).toMatchObject(revoked);
});

test("that a node was removed is forgotten when no proof of it can be good any more", async () => {
  await using t = await openTestStore();
  const { handlers, book } = await rig(t);
  const subject = await joinedSubject(handlers);
  await book.remove(subject.node, { actor: "admin", action: "node.remove" });
  t.clock.ms += REMOVED_KEPT_MS - 1_000;
  expect((await openBook(t)).wasRemoved(subject.node)).toBe(true);
  t.clock.ms += 2_000;
  const later = await openBook(t);
  expect(later.wasRemoved(subject.node)).toBe(false);
  expect(nodeDirectory(later).keysOf(subject.node)).toBeNull();
  expect((await listNodes(t.store.sql)).length).toBe(0);
});

test("of two credentials of one machine the newer counts, in whatever order they come", async () => {
  await using t = await openTestStore();
  const first = await joinedSubject((await rig(t)).handlers);
  t.clock.ms += 1_000;
  const keys = { linkKey: "k2", certificate: "c2" };
  const reinstalled = await joinedSubject((await rig(t)).handlers, { keys });
  expect(reinstalled.node).toBe(first.node);
  const outdated = async (at: Rig): Promise<boolean> => {
    const done = await at.handlers.registerAgain(again(), first);
    return !done.ok && done.error.code === "proof_refused" && done.error.message.includes("newer credential");
  };
  expect(await outdated(await rig(t))).toBe(true);

  const lost = await lose(t);
  expect(await lost.handlers.registerAgain(again(), first)).toMatchObject({ ok: true });
  expect(await lost.handlers.registerAgain(again(request({ keys })), reinstalled)).toMatchObject({ ok: true });
  expect(lost.book.get(first.node)?.keys).toEqual(keys);
  expect(await outdated(lost)).toBe(true);
});

test("a machine that joined anew under another id takes its earlier record's place", async () => {
  await using t = await openTestStore();
  const earlier = await rig(t);
  const first = await joinedSubject(earlier.handlers);
  const copy = earlier.book.get(first.node);
  t.clock.ms += 1_000;
  const second = { ...first, node: "n_second", linkKey: "k2", since: t.clock.now() };
  await lose(t);
  if (copy !== null) await t.store.write((tx) => putNode(tx, copy));
  const { handlers, book, linked, registry } = await rig(t);
  registry.admit({ ...first, id: first.node, joinedAt: 1, lastSeenAt: null, drainedAt: null }, "lan");
  const keys = { linkKey: "k2", certificate: "c2" };
  const done = await handlers.registerAgain(again(request({ keys })), second);
  expect(done).toMatchObject({ ok: true, value: { subject: { node: "n_second", name: "gpu-tower" } } });
  expect(book.list().map(({ id, name }) => [id, name])).toEqual([["n_second", "gpu-tower"]]);
  expect([registry.get(first.node), linked.has(first.node)]).toEqual([null, false]);
  expect((await openBook(t)).list().map(({ id }) => id)).toEqual(["n_second"]);
});

test("a database of before a rotation learns the newer key, and keeps what it knows of the node", async () => {
  await using t = await openTestStore();
  const { handlers, book } = await rig(t);
  const subject = await joinedSubject(handlers);
  await book.drain(subject.node, "admin");
  t.clock.ms += 1_000;
  const keys = { linkKey: "k2", certificate: "c2" };
  const turned = { ...subject, linkKey: "k2", since: t.clock.now() };
  expect(await handlers.registerAgain(again(request({ keys })), turned)).toMatchObject({ ok: true });
  expect(book.get(subject.node)).toMatchObject({ keys, joinedAt: subject.since, drainedAt: subject.since });
});

test("a rotation whose answer was lost is asked for again", async () => {
  await using t = await openTestStore();
  const { handlers } = await rig(t);
  const node = await join(handlers);
  t.clock.ms += 31 * 86_400_000;
  await handlers.rotate({ keys: { linkKey: "lost", certificate: "c2" } }, { node, peer: null });
  expect(await handlers.heartbeat(beat(), { node, peer: null })).toMatchObject({ value: { rotate: true } });
  const proven = await handlers.rotate({ keys: { linkKey: "k3", certificate: "c3" } }, { node, peer: null });
  expect(proven).toMatchObject({ ok: true, value: { node, linkKey: "k3", since: t.clock.now() } });
});

test("a node whose clock is wrong is told of where it is shown, once", async () => {
  await using t = await openTestStore();
  const { handlers, registry } = await rig(t);
  const node = await join(handlers);
  for (let call = 0; call < 3; call += 1) handlers.skewed(node, "the clocks are 10 minutes apart");
  handlers.skewed("n_nobody", "the clocks are 10 minutes apart");
  const told = registry.get(node)?.events.map(({ what }) => what) ?? [];
  expect(told.filter((what) => what === "its calls are refused: the clocks are 10 minutes apart").length).toBe(1);
});
