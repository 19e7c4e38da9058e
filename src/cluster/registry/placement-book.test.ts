import { expect, test } from "bun:test";
import { listPlacements } from "../../store/placements.ts";
import { openTestStore, rejection } from "../../store/test-store.ts";
import { ownRows } from "./own-rows.ts";
import { PlacementBook } from "./placement-book.ts";
import { handlersRig, joinNode } from "./test-handlers.ts";
import { beatOf, stateOf } from "./test-registry.ts";

test("what the store refused is written with the next look at the node", async () => {
  await using t = await openTestStore();
  const { registry, handlers } = await handlersRig(t);
  const { node } = await joinNode(handlers);
  const placements = await PlacementBook.open(t.store, ownRows(""), [node]);
  const reconcile = async (): Promise<void> => {
    const entry = registry.get(node);
    if (entry !== null) await placements.reconcile(entry);
  };
  const kept = async () => (await listPlacements(t.store.sql)).map(({ model }) => model);
  registry.beat(node, beatOf(stateOf(node, ["gone", "stays"])));
  await reconcile();
  await t.store.write((tx) =>
    tx.unsafe("create trigger away before insert on placements begin select raise(abort, 'away'); end"),
  );
  registry.beat(node, beatOf(stateOf(node, ["stays", "new"], 2)));
  expect(await rejection(reconcile())).toContain("away");
  expect(await kept()).toEqual(["gone", "stays"]);
  await t.store.write((tx) => tx.unsafe("drop trigger away"));
  await reconcile();
  expect(await kept()).toEqual(["new", "stays"]);
});
