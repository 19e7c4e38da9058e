import { expect, test } from "bun:test";
import {
  forgetRemoved,
  isRemoved,
  listNodes,
  markRemoved,
  markSeen,
  putNode,
  setDrained,
  type StoredNode,
} from "./nodes.ts";
import { deletePlacement, listPlacements, putPlacement, type StoredPlacement } from "./placements.ts";
import { onEachDatabase } from "./test-store.ts";

const NODE: StoredNode = {
  id: "n_1",
  name: "gpu-tower",
  role: "worker",
  addresses: ["10.0.0.7:8443"],
  keys: { linkKey: "k", certificate: "c" },
  keysAt: 1,
  nextKeys: null,
  machine: "m".repeat(64),
  assign: true,
  leader: "gw_1",
  version: "0.1.0",
  inventory: { hostname: "gpu-tower" },
  joinedAt: 1,
  lastSeenAt: null,
  drainedAt: null,
  removedAt: null,
};
const PLACEMENT: StoredPlacement = {
  id: "n_1/embedded/a",
  model: "a",
  nodeId: "n_1",
  engine: "embedded",
  engineModel: "a",
  state: "serving",
  reason: "found there",
  createdAt: 1,
  updatedAt: 1,
};

onEachDatabase((openTestStore) => {
  test("a node is put, seen, drained, replaced, and removed with its placements", async () => {
    await using t = await openTestStore();
    const { store } = t;
    await store.write(async (tx) => {
      await putNode(tx, NODE);
      await putPlacement(tx, PLACEMENT);
      await markSeen(tx, [{ id: "n_1", at: 9, inventory: { hostname: "other" } }]);
      await setDrained(tx, "n_1", 10);
    });
    expect(await listNodes(store.sql)).toEqual([
      { ...NODE, inventory: { hostname: "other" }, lastSeenAt: 9, drainedAt: 10 },
    ]);
    const rotated = { ...NODE, nextKeys: { linkKey: "k2", certificate: "c2" } };
    await store.write((tx) => putNode(tx, rotated));
    expect(await listNodes(store.sql)).toEqual([rotated]);
    await store.write((tx) => markRemoved(tx, "n_1", 11));
    expect(await listNodes(store.sql)).toMatchObject([{ id: "n_1", name: "n_1", machine: "", removedAt: 11 }]);
    expect(await listPlacements(store.sql)).toEqual([]);
  });

  test("removed nodes are known as that, until they are forgotten; others are not", async () => {
    await using t = await openTestStore();
    const { store } = t;
    const later = { ...NODE, id: "n_2", name: "other" };
    await store.write(async (tx) => {
      for (const node of [NODE, later, { ...NODE, id: "n_3", name: "third" }]) await putNode(tx, node);
      await markRemoved(tx, "n_1", 11);
      await markRemoved(tx, "n_2", 20);
    });
    const removed = await store.write((tx) => Promise.all(["n_1", "n_2", "n_3", "n_4"].map((id) => isRemoved(tx, id))));
    expect(removed).toEqual([true, true, false, false]);
    // A row that something still names stays, rather than stand in the way of a start.
    await store.write((tx) => putPlacement(tx, PLACEMENT));
    await store.write((tx) => forgetRemoved(tx, 30));
    expect((await listNodes(store.sql)).map(({ id }) => id)).toEqual(["n_1", "n_3"]);
    await store.write((tx) => deletePlacement(tx, PLACEMENT.id));
    await store.write((tx) => forgetRemoved(tx, 11));
    expect((await listNodes(store.sql)).map(({ id }) => id)).toEqual(["n_1", "n_3"]);
    await store.write((tx) => forgetRemoved(tx, 12));
    expect((await listNodes(store.sql)).map(({ id }) => id)).toEqual(["n_3"]);
  });

  test("a placement keeps who put it there when its state changes", async () => {
    await using t = await openTestStore();
    const { store } = t;
    await store.write(async (tx) => {
      await putNode(tx, NODE);
      await putPlacement(tx, { ...PLACEMENT, state: "loading", reason: "assigned" });
      await putPlacement(tx, { ...PLACEMENT, updatedAt: 5 });
    });
    expect(await listPlacements(store.sql)).toEqual([{ ...PLACEMENT, reason: "assigned", updatedAt: 5 }]);
    await store.write((tx) => deletePlacement(tx, PLACEMENT.id));
    expect(await listPlacements(store.sql)).toEqual([]);
  });
});
