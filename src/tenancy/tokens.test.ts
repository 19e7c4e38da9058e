import { expect, test } from "bun:test";
import { recentAudit } from "../store/audit.ts";
import { audited } from "../store/audited.ts";
import { onEachDatabase, type TestStore } from "../store/test-store.ts";
import { ok } from "../core/result.ts";
import { KeyRing } from "./key-ring.ts";
import { hashSecret } from "./key-secret.ts";
import { createToken, listTokens, revokeToken, type TokenDeps, type TokenInput } from "./tokens.ts";

function depsOf(t: TestStore): TokenDeps & { ring: KeyRing } {
  return { store: t.store, ring: new KeyRing(t.clock, []) };
}

async function create(deps: TokenDeps, input: TokenInput, actor = "root") {
  const created = await createToken(deps, input, actor);
  if (!created.ok) throw new Error(JSON.stringify(created.error));
  return created.value;
}

onEachDatabase((openTestStore) => {
  test("a new key works at once, belongs to a user of its name, and has an audit entry without secret or hash", async () => {
    await using t = await openTestStore();
    const deps = depsOf(t);
    const limits = { dailyTokens: 1000 };
    const { secret, key } = await create(deps, {
      name: "alice",
      scope: "user",
      limits,
      models: ["m", "m"],
      localOnly: true,
    });
    expect(deps.ring.find(secret)).toMatchObject({
      ok: true,
      value: { keyName: "alice", scope: "user", models: ["m"] },
    });
    expect(key).toMatchObject({
      userName: "alice",
      createdAt: t.clock.ms,
      limits: { dailyTokens: 1000, concurrency: 0 },
    });
    expect(await listTokens(t.store)).toEqual([key]);

    const [entry, ...rest] = await recentAudit(t.store.sql, { limit: 10 });
    expect(rest).toEqual([]);
    expect(entry).toMatchObject({
      actor: "root",
      action: "token.create",
      target: key.id,
      before: null,
      at: t.clock.ms,
    });
    expect(entry?.after).toMatchObject({ name: "alice", limits: { dailyTokens: 1000 } });
    const everything = JSON.stringify(await t.store.sql`select * from audit`) + JSON.stringify(key);
    expect(everything).not.toContain(secret.slice(11));
    expect(everything).not.toContain(hashSecret(secret));
    const file = JSON.stringify(await t.store.sql`select * from keys`);
    expect(file).not.toContain(secret.slice(11));
  });

  test("two keys may share an owner; a name is free again once its key is revoked", async () => {
    await using t = await openTestStore();
    const deps = depsOf(t);
    const first = await create(deps, { name: "laptop", scope: "user", owner: "bob" });
    const second = await create(deps, { name: "ci", scope: "user", owner: first.key.userId });
    expect(second.key.userName).toBe("bob");
    const taken = await createToken(deps, { name: "ci", scope: "user" }, "root");
    expect(taken).toMatchObject({ ok: false, error: { kind: "conflict", mend: "flock token revoke ci" } });
    const revoked = await revokeToken(deps, "ci", "root");
    expect(revoked).toMatchObject({ ok: true, value: { id: second.key.id, revokedAt: t.clock.ms } });
    expect(deps.ring.find(second.secret).ok).toBe(false);
    const third = await create(deps, { name: "ci", scope: "user" });
    expect(await revokeToken(deps, "ci", "root")).toMatchObject({ ok: true, value: { id: third.key.id } });
    const unnamed = await create(deps, { scope: "user" });
    expect(unnamed.key.name).toMatch(/^key_[0-9a-z]{6}$/);
  });

  test("a refused change writes neither key nor user nor audit entry", async () => {
    await using t = await openTestStore();
    const deps = depsOf(t);
    const wrong: [TokenInput, string][] = [
      [{ name: "", scope: "user" }, "name"],
      [{ name: "two words", scope: "user" }, "name"],
      [{ name: "-x", scope: "user" }, "name"],
      [{ owner: "a b", scope: "user" }, "owner"],
      [{ scope: "user", limits: { dailyTokens: -1 } }, "limits.dailyTokens"],
      [{ scope: "user", limits: { concurrency: 1.5 } }, "limits.concurrency"],
      [{ scope: "user", expiresAt: t.clock.ms }, "expiresAt"],
      [{ scope: "user", models: [""] }, "models"],
    ];
    for (const [input, field] of wrong) {
      expect(await createToken(deps, input, "root")).toMatchObject({
        ok: false,
        error: { kind: "invalid_request", field },
      });
    }
    expect(await revokeToken(deps, "nobody", "root")).toMatchObject({
      ok: false,
      error: { kind: "not_found", what: 'key "nobody"' },
    });
    expect(JSON.stringify(await revokeToken(deps, "sk-orc-abcdefghijk", "root"))).not.toContain("abcdefghijk");
    for (const table of ["keys", "users", "audit"]) {
      expect((await t.store.sql`select * from ${t.store.sql(table)}`.values()).length).toBe(0);
    }
  });

  test("the last admin key that works cannot be revoked, an expired one does not count, a second revocation is harmless", async () => {
    await using t = await openTestStore();
    const deps = depsOf(t);
    await create(deps, { name: "a", scope: "admin" });
    await create(deps, { name: "b", scope: "admin", expiresAt: t.clock.ms + 5 });
    await create(deps, { name: "c", scope: "admin" });
    expect((await revokeToken(deps, "a", "root")).ok).toBe(true);
    expect((await revokeToken(deps, "a", "root")).ok).toBe(true);
    expect((await recentAudit(t.store.sql, { limit: 10 })).map((entry) => entry.action)).toEqual([
      "token.revoke",
      "token.create",
      "token.create",
      "token.create",
    ]);
    t.clock.ms += 5;
    const refused = await revokeToken(deps, "c", "root");
    expect(refused).toMatchObject({ ok: false, error: { kind: "conflict", mend: "flock token create --admin" } });
    expect((await revokeToken(deps, "b", "root")).ok).toBe(true);
  });

  test("the audit log keeps the order within a millisecond, filters by actor, and drops secrets that slip in", async () => {
    await using t = await openTestStore();
    for (const [index, actor] of ["x", "y", "x"].entries()) {
      await audited(t.store, { actor, action: `act${index}` }, async () =>
        ok({
          target: "t",
          before: { hash: "h", list: [{ token: "v" }] },
          after: { note: "uses sk-orc-abcdefghijklmnopqrstuvwxyz now", n: 1 },
          value: 1,
        }),
      );
    }
    const entries = await recentAudit(t.store.sql, { limit: 10 });
    expect(entries.map((entry) => entry.action)).toEqual(["act2", "act1", "act0"]);
    expect(entries[0]).toMatchObject({ before: { list: [{}] }, after: { note: "uses sk-… now", n: 1 } });
    expect((await recentAudit(t.store.sql, { limit: 1, actor: "x" })).map((entry) => entry.action)).toEqual(["act2"]);
  });
});
