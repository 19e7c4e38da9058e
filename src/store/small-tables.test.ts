import { expect, test } from "bun:test";
import { listAliases, putAlias, removeAlias } from "./aliases.ts";
import { allSettings, putSetting, removeSetting } from "./settings.ts";
import { onEachDatabase } from "./test-store.ts";

onEachDatabase((openTestStore) => {
  test("an alias is put, pointed elsewhere and removed", async () => {
    await using t = await openTestStore();
    await t.store.write(async (tx) => {
      await putAlias(tx, { name: "fast", model: "a" }, 1);
      await putAlias(tx, { name: "big", model: "b" }, 1);
      await putAlias(tx, { name: "fast", model: "c" }, 2);
    });
    expect(await listAliases(t.store.sql)).toEqual([
      { name: "big", model: "b", createdAt: 1, updatedAt: 1 },
      { name: "fast", model: "c", createdAt: 1, updatedAt: 2 },
    ]);
    expect(await t.store.write((tx) => removeAlias(tx, "big"))).toBe(true);
    expect(await t.store.write((tx) => removeAlias(tx, "big"))).toBe(false);
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
