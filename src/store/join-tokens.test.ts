import { expect, test } from "bun:test";
import { addJoinToken, spendJoinToken } from "./join-tokens.ts";
import { onEachDatabase } from "./test-store.ts";

onEachDatabase((openTestStore) => {
  test("a join token is spent once, also when many try at the same moment", async () => {
    await using at = await openTestStore();
    await at.store.write((tx) => addJoinToken(tx, "j_1", 10_000, 5_000));
    const tries = await Promise.all(
      Array.from({ length: 8 }, () => at.store.write((tx) => spendJoinToken(tx, "j_1", 6_000))),
    );
    expect(tries.filter((result) => result === "spent")).toHaveLength(1);
    expect(tries.filter((result) => result === "used")).toHaveLength(7);
    expect(await at.store.write((tx) => spendJoinToken(tx, "j_2", 6_000))).toBe("unknown");
  });

  test("a token is remembered for a day after its end", async () => {
    await using at = await openTestStore();
    await at.store.write((tx) => addJoinToken(tx, "j_1", 10_000, 5_000));
    await at.store.write((tx) => addJoinToken(tx, "j_2", 90_000_000, 86_000_000));
    expect(await at.store.write((tx) => spendJoinToken(tx, "j_1", 86_000_000))).toBe("spent");
    await at.store.write((tx) => addJoinToken(tx, "j_3", 90_000_000, 86_420_000));
    expect(await at.store.write((tx) => spendJoinToken(tx, "j_1", 86_420_000))).toBe("unknown");
  });
});
