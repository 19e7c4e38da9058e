import { expect, test } from "bun:test";
import { listAliases, putAlias, removeAlias } from "./aliases.ts";
import { changeCounts } from "./change-counts.ts";
import { allSettings, putSetting, removeSetting } from "./settings.ts";
import { onEachDatabase } from "./test-store.ts";

onEachDatabase((openTestStore) => {
  test("an alias is put, pointed elsewhere and removed, and every change is counted", async () => {
    await using t = await openTestStore();
    await t.store.write(async (tx) => {
      await putAlias(tx, { name: "fast", model: "a", keyId: null }, 1);
      await putAlias(tx, { name: "big", model: "b", keyId: "key_1" }, 1);
      await putAlias(tx, { name: "big", model: "d", keyId: null }, 1);
      await putAlias(tx, { name: "fast", model: "c", keyId: null }, 2);
    });
    expect(await listAliases(t.store.sql)).toEqual([
      { name: "big", model: "d", keyId: null, createdAt: 1, updatedAt: 1 },
      { name: "fast", model: "c", keyId: null, createdAt: 1, updatedAt: 2 },
      { name: "big", model: "b", keyId: "key_1", createdAt: 1, updatedAt: 1 },
    ]);
    await t.store.write((tx) => removeAlias(tx, "big", null));
    await t.store.write((tx) => removeAlias(tx, "big", null));
    expect((await listAliases(t.store.sql)).map(({ name, keyId }) => [name, keyId])).toEqual([
      ["fast", null],
      ["big", "key_1"],
    ]);
    expect(await changeCounts(t.store.sql)).toEqual({ keys: 0, aliases: 6, settings: 0, nodes: 0, jobs: 0 });
  });

  test("settings keep any JSON value", async () => {
    await using t = await openTestStore();
    await t.store.write(async (tx) => {
      await putSetting(tx, "a", [1, { b: null }], 1);
      await putSetting(tx, "a", false, 2);
      await putSetting(tx, "c", "text", 2);
      await removeSetting(tx, "nothing");
    });
    expect(await allSettings(t.store.sql)).toEqual(
      new Map<string, unknown>([
        ["a", false],
        ["c", "text"],
      ]),
    );
  });
});
