import { expect, test } from "bun:test";
import { recentAudit } from "../../store/audit.ts";
import { listNodes, markRemoved, putNode } from "../../store/nodes.ts";
import { openTestStore, type TestStore } from "../../store/test-store.ts";
import type { RegisterAgainRequest, RegisterRequest } from "../node-protocol.ts";
import { nodeDirectory } from "./node-handlers.ts";
import { REMOVED_KEPT_MS } from "./removed-nodes.ts";
import { type HandlersRig, handlersRig, heartbeat, joinNode, KEYS, openBook, registration } from "./test-handlers.ts";

function again(joined: RegisterRequest = registration()): RegisterAgainRequest {
  const { protocol, machine, version, keys, addresses, inventory } = joined;
  return { protocol, machine, version, keys, addresses, inventory, proof: "checked before" };
}

/** The database is put back from a copy of before anything joined; what lies beside it stays. */
async function lose(t: TestStore): Promise<HandlersRig> {
  await t.store.write((tx) => tx`delete from nodes`);
  return await handlersRig(t);
}

test("a node without a record comes back under its id and name, routed to after its next beat, and audited", async () => {
  await using t = await openTestStore();
  const subject = await joinNode((await handlersRig(t)).handlers, { assign: false });
  const { handlers, book, linked, routes } = await lose(t);
  t.clock.ms += 1_000;
  const addresses = ["10.0.0.9:8443"];
  const done = await handlers.registerAgain(again(registration({ addresses })), subject);
  expect(done).toMatchObject({ ok: true, value: { subject } });
  expect(book.get(subject.node)).toMatchObject({ name: "gpu-tower", keys: KEYS, keysAt: subject.since, assign: false });
  expect(linked.get(subject.node)?.addresses).toEqual(addresses);
  expect(await handlers.heartbeat(heartbeat(), { node: subject.node, peer: null })).toMatchObject({ ok: true });
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
  const subject = await joinNode((await handlersRig(t)).handlers);
  const { handlers, book } = await lose(t);
  const both = await Promise.all([handlers.registerAgain(again(), subject), handlers.registerAgain(again(), subject)]);
  expect(both.map(({ ok }) => ok)).toEqual([true, true]);
  expect(book.list().length).toBe(1);
  const entries = await recentAudit(t.store.sql, { limit: 9 });
  expect(entries.filter(({ action }) => action === "node.register-again").length).toBe(1);
});

test("several that come back at once keep their own names, and so do two that both were called alike", async () => {
  await using t = await openTestStore();
  const before = await handlersRig(t);
  const subjects = await Promise.all(
    ["a", "b", "c"].map((machine) => joinNode(before.handlers, { machine: machine.repeat(64) })),
  );
  expect(subjects.map(({ name }) => name)).toEqual(["gpu-tower", "gpu-tower-2", "gpu-tower-3"]);
  const { handlers, book } = await lose(t);
  const stranger = await joinNode(handlers, { machine: "d".repeat(64) });
  const done = await Promise.all(
    subjects
      .toReversed()
      .map((subject) => handlers.registerAgain(again(registration({ machine: subject.machine })), subject)),
  );
  expect(done.every(({ ok }) => ok)).toBe(true);
  const names = Object.fromEntries(book.list().map(({ id, name }) => [id, name]));
  expect(names[stranger.node]).toBe("gpu-tower");
  expect(subjects.slice(1).map(({ node }) => names[node])).toEqual(["gpu-tower-2", "gpu-tower-3"]);
  expect(new Set(Object.values(names)).size).toBe(4);
});

test("a removed node does not come back, by a database of before its removal neither", async () => {
  await using t = await openTestStore();
  const { handlers, book } = await handlersRig(t);
  const subject = await joinNode(handlers);
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
  const between = await handlersRig(t);
  expect(between.book.list()).toEqual([]);
  expect(nodeDirectory(between.book).keysOf(subject.node)).toMatchObject({ revoked: true });
  expect((await recentAudit(t.store.sql, { limit: 1 }))[0]).toMatchObject({ actor: "leader", action: "node.remove" });

  // Another leader of the same database removed it.
  const elsewhere = await joinNode(between.handlers);
  await t.store.write((tx) => markRemoved(tx, elsewhere.node, t.clock.now()));
  const keys = { linkKey: "k2", certificate: "c2" };
  const turned = { ...elsewhere, linkKey: "k2", since: elsewhere.since + 1 };
  expect(await between.handlers.registerAgain(again(registration({ keys })), turned)).toMatchObject(revoked);
});

test("that a node was removed is forgotten when no proof of it can be good any more", async () => {
  await using t = await openTestStore();
  const { handlers, book } = await handlersRig(t);
  const subject = await joinNode(handlers);
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
  const first = await joinNode((await handlersRig(t)).handlers);
  t.clock.ms += 1_000;
  const keys = { linkKey: "k2", certificate: "c2" };
  const reinstalled = await joinNode((await handlersRig(t)).handlers, { keys });
  expect(reinstalled.node).toBe(first.node);
  const outdated = async (at: HandlersRig): Promise<boolean> => {
    const done = await at.handlers.registerAgain(again(), first);
    return !done.ok && done.error.code === "proof_refused" && done.error.message.includes("newer credential");
  };
  expect(await outdated(await handlersRig(t))).toBe(true);

  const lost = await lose(t);
  expect(await lost.handlers.registerAgain(again(), first)).toMatchObject({ ok: true });
  expect(await lost.handlers.registerAgain(again(registration({ keys })), reinstalled)).toMatchObject({ ok: true });
  expect(lost.book.get(first.node)?.keys).toEqual(keys);
  expect(await outdated(lost)).toBe(true);
});

test("a machine that joined anew under another id takes its earlier record's place", async () => {
  await using t = await openTestStore();
  const earlier = await handlersRig(t);
  const first = await joinNode(earlier.handlers);
  const copy = earlier.book.get(first.node);
  t.clock.ms += 1_000;
  const second = { ...first, node: "n_second", linkKey: "k2", since: t.clock.now() };
  await lose(t);
  if (copy !== null) await t.store.write((tx) => putNode(tx, copy));
  const { handlers, book, linked, registry } = await handlersRig(t);
  registry.admit({ ...first, id: first.node, joinedAt: 1, lastSeenAt: null, drainedAt: null }, "lan");
  const keys = { linkKey: "k2", certificate: "c2" };
  const done = await handlers.registerAgain(again(registration({ keys })), second);
  expect(done).toMatchObject({ ok: true, value: { subject: { node: "n_second", name: "gpu-tower" } } });
  expect(book.list().map(({ id, name }) => [id, name])).toEqual([["n_second", "gpu-tower"]]);
  expect([registry.get(first.node), linked.has(first.node)]).toEqual([null, false]);
  expect((await openBook(t)).list().map(({ id }) => id)).toEqual(["n_second"]);
});

test("a database of before a rotation learns the newer key, and keeps what it knows of the node", async () => {
  await using t = await openTestStore();
  const { handlers, book } = await handlersRig(t);
  const subject = await joinNode(handlers);
  await book.drain(subject.node, "admin");
  t.clock.ms += 1_000;
  const keys = { linkKey: "k2", certificate: "c2" };
  const turned = { ...subject, linkKey: "k2", since: t.clock.now() };
  expect(await handlers.registerAgain(again(registration({ keys })), turned)).toMatchObject({ ok: true });
  expect(book.get(subject.node)).toMatchObject({ keys, joinedAt: subject.since, drainedAt: subject.since });
});
