import { expect, test } from "bun:test";
import { recentAudit } from "../store/audit.ts";
import { changeCounts } from "../store/change-counts.ts";
import { keysChangedAfter } from "../store/keys.ts";
import { onEachDatabase } from "../store/test-store.ts";
import { editToken, type TokenChanges } from "./edit-token.ts";
import { KeyRing } from "./key-ring.ts";
import { createToken, revokeToken } from "./tokens.ts";

onEachDatabase((openTestStore) => {
  test("each right of a key is set and cleared, at once, with an audit entry of before and after", async () => {
    await using t = await openTestStore();
    const deps = { store: t.store, ring: new KeyRing(t.clock, []) };
    const made = await createToken(deps, { name: "ci", scope: "user", limits: { dailyTokens: 10 } }, "root");
    if (!made.ok) throw new Error("not made");
    const { secret, key } = made.value;
    const steps: readonly TokenChanges[] = [
      { limits: { dailyTokens: 500, requestsPerMinute: 6, tokensPerMinute: 70, concurrency: 8 } },
      { limits: { dailyTokens: 0 } },
      { models: ["a", "a", "qwen3-*"] },
      { models: ["a", "*"] },
      { expiresAt: t.clock.ms + 1000 },
      { expiresAt: null },
      { localOnly: true },
      { localOnly: false },
      { priority: "batch" },
      { priority: "interactive" },
    ];
    const seen: unknown[] = [];
    for (const step of steps) {
      const edited = await editToken(deps, seen.length % 2 === 0 ? key.id : "ci", step, "root");
      if (!edited.ok) throw new Error(JSON.stringify(edited.error));
      const found = deps.ring.find(secret);
      if (!found.ok) throw new Error("the key stopped working");
      const { limits, models, expiresAt, localOnly, priority } = found.value;
      expect({ limits, models, expiresAt, localOnly, priority }).toEqual({
        limits: edited.value.limits,
        models: edited.value.models,
        expiresAt: edited.value.expiresAt,
        localOnly: edited.value.localOnly,
        priority: edited.value.priority,
      });
      seen.push({ limits: Object.values(limits).join(), models, expiresAt, localOnly, priority });
    }
    const base = { limits: "0,6,70,8", models: [], expiresAt: null, localOnly: false, priority: "interactive" };
    expect(seen).toEqual([
      { ...base, limits: "500,6,70,8" },
      base,
      { ...base, models: ["a", "qwen3-*"] },
      base,
      { ...base, expiresAt: t.clock.ms + 1000 },
      base,
      { ...base, localOnly: true },
      base,
      { ...base, priority: "batch" },
      base,
    ]);
    const [newest, ...older] = await recentAudit(t.store.sql, { limit: 100 });
    expect(older.length).toBe(steps.length);
    expect(newest).toMatchObject({ actor: "root", action: "token.edit", target: key.id });
    expect(newest?.before).toMatchObject({ priority: "batch" });
    expect(newest?.after).toMatchObject({ priority: "interactive" });
    expect(JSON.stringify([newest, ...older])).not.toContain(secret.slice(11));
  });

  test("what changes nothing leaves no entry; what is wrong changes nothing", async () => {
    await using t = await openTestStore();
    const deps = { store: t.store };
    await createToken(deps, { name: "ci", scope: "user" }, "root");
    await createToken(deps, { name: "old", scope: "user" }, "root");
    await revokeToken(deps, "old", "root");
    const before = (await recentAudit(t.store.sql, { limit: 100 })).length;
    expect(await editToken(deps, "ci", { priority: "interactive" }, "root")).toMatchObject({ ok: true });
    const refused: readonly [string, TokenChanges, string][] = [
      ["ci", {}, "invalid_request"],
      ["ci", { limits: { concurrency: -1 } }, "invalid_request"],
      ["ci", { expiresAt: t.clock.ms }, "invalid_request"],
      ["ci", { models: [""] }, "invalid_request"],
      ["nobody", { localOnly: true }, "not_found"],
      ["old", { localOnly: true }, "conflict"],
    ];
    for (const [name, changes, kind] of refused) {
      expect(await editToken(deps, name, changes, "root")).toMatchObject({ ok: false, error: { kind } });
    }
    expect((await recentAudit(t.store.sql, { limit: 100 })).length).toBe(before);
  });

  test("another process finds what was made, changed and revoked since it last looked", async () => {
    await using t = await openTestStore();
    const deps = { store: t.store };
    const seen = async (after: number): Promise<string[]> =>
      (await keysChangedAfter(t.store.sql, after)).map(({ name }) => name).sort();
    await createToken(deps, { name: "a", scope: "user" }, "root");
    await createToken(deps, { name: "b", scope: "user" }, "root");
    const { keys } = await changeCounts(t.store.sql);
    expect(await seen(0)).toEqual(["a", "b"]);
    expect(await seen(keys)).toEqual([]);
    await editToken(deps, "b", { localOnly: true }, "root");
    await createToken(deps, { name: "c", scope: "user" }, "root");
    expect(await seen(keys)).toEqual(["b", "c"]);
    const later = (await changeCounts(t.store.sql)).keys;
    await revokeToken(deps, "a", "root");
    expect(await seen(later)).toEqual(["a"]);
  });
});
