import { expect, test } from "bun:test";
import { listNodes } from "../../store/nodes.ts";
import { listPlacements } from "../../store/placements.ts";
import { onEachDatabase, type TestStore } from "../../store/test-store.ts";
import type { NodeChange } from "./node-changes.ts";
import { ownRows } from "./own-rows.ts";
import { PlacementBook } from "./placement-book.ts";
import { openBook, registration } from "./test-handlers.ts";
import { recordOf, registryRig, stateOf } from "./test-registry.ts";

const ADMIN = { actor: "root", action: "node.remove" };

const request = (machine: string) =>
  registration({ machine: machine.repeat(64), name: "box", keys: { linkKey: `KEY-${machine}`, certificate: "c" } });

/** As one of several leaders finds it at its start. */
async function openOf(t: TestStore, leader: string) {
  const book = await openBook(t, leader);
  await book.ensureLocal("local", "host", "1");
  const changes: string[] = [];
  book.onChange(({ kind, node }: NodeChange) => void changes.push(`${kind} ${node.id}`));
  return { book, changes };
}

onEachDatabase((openTestStore) => {
  test("what a leader does to another's node holds there; what that one tells of it undoes nothing", async () => {
    await using t = await openTestStore();
    const a = await openOf(t, "gw_a");
    const b = await openOf(t, "gw_b");
    const { node } = await b.book.register(request("b"), "join token");
    await a.book.refresh();
    expect(a.book.get(node.id)?.leader).toBe("gw_b");
    expect(a.book.isOwn(node)).toBe(false);
    expect(a.changes).toEqual([]);

    await a.book.drain(node.id, "root");
    // Its own leader has not looked yet, and writes what it knows better.
    await b.book.moved(node.id, { addresses: ["10.0.0.8:8443"], version: "2" });
    await b.book.keepNextKeys(node.id, { linkKey: "NEXT", certificate: "c" });
    await b.book.refresh();
    expect(b.changes).toEqual([`drained ${node.id}`]);
    expect(b.book.get(node.id)).toMatchObject({ addresses: ["10.0.0.8:8443"], version: "2" });
    expect(b.book.get(node.id)?.drainedAt).not.toBeNull();

    await a.book.undrain(node.id, "root");
    await b.book.refresh();
    await a.book.remove(node.id, ADMIN);
    b.book.turnKeys(node.id);
    await b.book.moved(node.id, { addresses: ["10.0.0.9:8443"], version: "3" });
    await b.book.refresh();
    expect(b.changes.slice(1)).toEqual([`undrained ${node.id}`, `removed ${node.id}`]);
    expect(b.book.wasRemoved(node.id)).toBe(true);
    const row = (await listNodes(t.store.sql)).find(({ id }) => id === node.id);
    expect([row?.removedAt !== null, row?.version, row?.name]).toEqual([true, "2", node.id]);
  });

  test("leaders' own machines have a row each, names are unique over all, a machine belongs to the last it joined", async () => {
    await using t = await openTestStore();
    const a = await openOf(t, "gw_a");
    const b = await openOf(t, "gw_b");
    expect([a.book.get("local")?.name, b.book.get("local")?.name]).toEqual(["host", "host-2"]);
    await a.book.drain("local", "root");
    await b.book.refresh();
    expect([b.book.get("local")?.drainedAt, b.changes, b.book.list().length]).toEqual([null, [], 1]);

    const first = await a.book.register(request("a"), "join token");
    const second = await b.book.register(request("b"), "join token");
    expect([first.node.name, second.node.name]).toEqual(["box", "box-2"]);
    const moved = await b.book.register(request("a"), "join token");
    expect([moved.node.id, moved.known]).toEqual([first.node.id, true]);
    await a.book.refresh();
    expect(a.changes).toEqual([`left ${first.node.id}`]);
  });

  test("each keeps the placements of its own nodes", async () => {
    await using t = await openTestStore();
    for (const leader of ["gw_a", "gw_b"]) {
      await openOf(t, leader);
      const placements = await PlacementBook.open(t.store, ownRows(leader), ["local"]);
      const { registry } = registryRig();
      registry.local(recordOf("local"), stateOf("local", ["m"]));
      const entry = registry.get("local");
      if (entry !== null) await placements.reconcile(entry);
      const again = await PlacementBook.open(t.store, ownRows(leader), ["local"]);
      expect(again.of("local").map(({ id }) => id)).toEqual(["local/embedded/m"]);
    }
    const rows = await listPlacements(t.store.sql);
    expect(rows.map(({ id }) => id)).toEqual(["local-gw_a/embedded/m", "local-gw_b/embedded/m"]);
  });
});
