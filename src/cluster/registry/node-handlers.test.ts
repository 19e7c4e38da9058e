import { expect, test } from "bun:test";
import { recentAudit } from "../../store/audit.ts";
import { openTestStore, rejection } from "../../store/test-store.ts";
import { nodeDirectory } from "./node-handlers.ts";
import { handlersRig, heartbeat, joinNode, KEYS, openBook } from "./test-handlers.ts";

test("a node that registers is kept, linked and routed to after its first beat", async () => {
  await using t = await openTestStore();
  const { handlers, linked, registry, routes } = await handlersRig(t);
  const { node: id } = await joinNode(handlers);
  expect(linked.get(id)?.addresses).toEqual(["10.0.0.7:8443"]);
  const answer = await handlers.heartbeat(heartbeat(), { node: id, peer: null });
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
  const { handlers, book, linked } = await handlersRig(t);
  const { node: first } = await joinNode(handlers);
  const { node: again } = await joinNode(handlers, { keys: { linkKey: "k2", certificate: "c2" } });
  const { node: other } = await joinNode(handlers, { machine: "b".repeat(64) });
  expect(again).toBe(first);
  expect(linked.get(first)?.keys.linkKey).toBe("k2");
  expect(book.list().map(({ id, name }) => [id, name])).toEqual([
    [first, "gpu-tower"],
    [other, "gpu-tower-2"],
  ]);
});

test("a removed node hears that it was removed, also after a restart of the leader", async () => {
  await using t = await openTestStore();
  const { handlers, book } = await handlersRig(t);
  const { node: id } = await joinNode(handlers);
  expect(await book.remove(id, { actor: "admin", action: "node.remove" })).toMatchObject({ ok: true });
  expect(nodeDirectory(book).keysOf(id)).toMatchObject({ revoked: true });
  const later = await openBook(t);
  expect(nodeDirectory(later).keysOf(id)).toMatchObject({ revoked: true });
  expect(later.list()).toEqual([]);
  expect(nodeDirectory(later).keysOf("n_nobody")).toBeNull();
  expect((await joinNode((await handlersRig(t)).handlers)).node).not.toBe(id);
});

test("a beat of a node without a record is refused as unknown, so that it registers again", async () => {
  await using t = await openTestStore();
  const { handlers } = await handlersRig(t);
  const refused = await handlers.heartbeat(heartbeat(), { node: "n_9", peer: null });
  expect(refused).toMatchObject({ ok: false, error: { code: "unknown_node" } });
});

test("a beat that refers to a state which this leader was not told is refused, so that the node tells all", async () => {
  await using t = await openTestStore();
  const { handlers, registry, routes } = await handlersRig(t);
  const from = { node: (await joinNode(handlers)).node, peer: null };
  const refers = (sequence: number) => heartbeat({ sequence, state: { since: 1, freeMemoryBytes: 5 } });
  expect(await handlers.heartbeat(refers(2), from)).toMatchObject({ ok: false, error: { code: "state_unknown" } });
  expect((await handlers.heartbeat(heartbeat(), from)).ok).toBe(true);
  expect((await handlers.heartbeat(refers(2), from)).ok).toBe(true);
  expect(registry.get(from.node)?.state?.inventory.freeMemoryBytes).toBe(5);
  expect(registry.get(from.node)?.load).toEqual(new Map([[`${from.node}/embedded/a`, 3]]));
  expect(routes.get(from.node)).toEqual(["a"]);
});

test("a node that moved is linked at its new address", async () => {
  await using t = await openTestStore();
  const { handlers, linked, book } = await handlersRig(t);
  const { node: id } = await joinNode(handlers);
  await handlers.heartbeat(heartbeat({ addresses: ["10.0.0.9:8443"] }), { node: id, peer: null });
  expect(linked.get(id)?.addresses).toEqual(["10.0.0.9:8443"]);
  expect((await openBook(t)).get(id)?.addresses).toEqual(["10.0.0.9:8443"]);
  expect(book.get(id)?.version).toBe("1");
});

test("old keys are to be replaced, and the first call with the next ones ends them", async () => {
  await using t = await openTestStore();
  const { handlers, book, linked } = await handlersRig(t);
  const { node: id } = await joinNode(handlers);
  t.clock.ms += 31 * 86_400_000;
  const from = { node: id, peer: null };
  expect(await handlers.heartbeat(heartbeat(), from)).toMatchObject({ value: { rotate: true } });
  await handlers.rotate({ keys: { linkKey: "k2", certificate: "c2" } }, from);
  expect(nodeDirectory(book).keysOf(id)).toMatchObject({ keys: KEYS, next: { linkKey: "k2" } });
  handlers.rotated(id);
  expect(nodeDirectory(book).keysOf(id)).toMatchObject({ keys: { linkKey: "k2" }, next: null });
  expect(linked.get(id)?.keys.linkKey).toBe("k2");
});

test("a node that leaves is forgotten, and its going stands in the audit", async () => {
  await using t = await openTestStore();
  const { handlers, linked, registry } = await handlersRig(t);
  const { node: id } = await joinNode(handlers);
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
  const { handlers, book } = await handlersRig(t);
  const { node: id } = await joinNode(handlers);
  await book.drain(id, "admin");
  await book.drain(id, "admin");
  expect(await handlers.heartbeat(heartbeat(), { node: id, peer: null })).toMatchObject({ value: { drained: true } });
  expect((await openBook(t)).get(id)?.drainedAt).toBe(t.clock.now());
  await book.undrain(id, "admin");
  const actions = (await recentAudit(t.store.sql, { limit: 9 })).map(({ action }) => action);
  expect(actions.toSorted()).toEqual(["node.drain", "node.register", "node.undrain"]);
  expect(await book.remove("local", { actor: "a", action: "node.remove" })).toMatchObject({
    error: { kind: "not_found" },
  });
});

test("a rotation whose answer was lost is asked for again", async () => {
  await using t = await openTestStore();
  const { handlers } = await handlersRig(t);
  const { node } = await joinNode(handlers);
  t.clock.ms += 31 * 86_400_000;
  await handlers.rotate({ keys: { linkKey: "lost", certificate: "c2" } }, { node, peer: null });
  expect(await handlers.heartbeat(heartbeat(), { node, peer: null })).toMatchObject({ value: { rotate: true } });
  const proven = await handlers.rotate({ keys: { linkKey: "k3", certificate: "c3" } }, { node, peer: null });
  expect(proven).toMatchObject({ ok: true, value: { node, linkKey: "k3", since: t.clock.now() } });
});

test("a node whose clock is wrong is told of where it is shown, once", async () => {
  await using t = await openTestStore();
  const { handlers, registry } = await handlersRig(t);
  const { node } = await joinNode(handlers);
  for (let call = 0; call < 3; call += 1) handlers.skewed(node, "the clocks are 10 minutes apart");
  handlers.skewed("n_nobody", "the clocks are 10 minutes apart");
  const told = registry.get(node)?.events.map(({ what }) => what) ?? [];
  expect(told.filter((what) => what === "its calls are refused: the clocks are 10 minutes apart").length).toBe(1);
});

test("a node whose removal fails is not refused, and one that moved is heard while the database is away", async () => {
  await using t = await openTestStore();
  const { book, handlers, linked } = await handlersRig(t);
  const { node } = await joinNode(handlers);
  const killed = "before insert on audit begin select raise(abort, 'killed'); end";
  await t.store.write((tx) => tx.unsafe(`create trigger killed ${killed}`));
  expect(await rejection(book.remove(node, { actor: "root", action: "node.remove" }))).toContain("killed");
  expect(nodeDirectory(book).keysOf(node)?.revoked).toBe(false);
  await t.store.write((tx) => tx.unsafe("drop trigger killed"));
  expect((await openBook(t)).list().length).toBe(1);

  const update = "before update on nodes begin select raise(abort, 'away'); end";
  await t.store.write((tx) => tx.unsafe(`create trigger away ${update}`));
  const beat = heartbeat({ addresses: ["10.0.0.9:8443"] });
  expect(await handlers.heartbeat(beat, { node, peer: null })).toMatchObject({ ok: true });
  expect(linked.get(node)?.addresses).toEqual(["10.0.0.9:8443"]);
});
