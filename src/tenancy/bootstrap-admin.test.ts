import { expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { recentAudit } from "../store/audit.ts";
import { allKeys } from "../store/keys.ts";
import { onEachDatabase, type TestStore } from "../store/test-store.ts";
import { bootstrapAdmin, resetAdminKey } from "./bootstrap-admin.ts";
import { KeyRing } from "./key-ring.ts";
import { createToken, revokeToken } from "./tokens.ts";

async function boot(t: TestStore) {
  const ring = new KeyRing(t.clock, await allKeys(t.store.sql));
  const state = await bootstrapAdmin({ store: t.store, ring }, t.dir);
  if (!state.ok) throw new Error(JSON.stringify(state.error));
  return { ring, state: state.value };
}

onEachDatabase((openTestStore) => {
  test("the first start makes the admin key and a private file, later starts do nothing", async () => {
    await using t = await openTestStore();
    const { ring, state } = await boot(t);
    if (state.kind !== "created") throw new Error(state.kind);
    expect(ring.find(state.secret)).toMatchObject({ ok: true, value: { scope: "admin", keyName: "admin" } });
    expect(readFileSync(state.path, "utf8")).toBe(`${state.secret}\n`);
    expect(statSync(state.path).mode & 0o777).toBe(0o600);
    expect(readdirSync(t.dir).filter((name) => name.includes("partial"))).toEqual([]);
    expect((await recentAudit(t.store.sql, { limit: 1 }))[0]).toMatchObject({ actor: "local", action: "token.create" });
    const again = await boot(t);
    expect(again.state).toEqual({ kind: "present", path: state.path });
    expect(again.ring.size).toBe(1);
  });

  test("a key file that a cut-short start left, or that survived its store, works again", async () => {
    await using t = await openTestStore();
    await using other = await openTestStore();
    const { state } = await boot(other);
    if (state.kind !== "created") throw new Error(state.kind);
    writeFileSync(join(t.dir, "admin.key"), state.secret);
    const { ring, state: adopted } = await boot(t);
    expect(adopted.kind).toBe("adopted");
    expect(ring.find(state.secret).ok).toBe(true);
  });

  test("a missing or useless key file beside admin keys is said, with what to do, and nothing is changed", async () => {
    await using t = await openTestStore();
    const { state } = await boot(t);
    rmSync(state.path);
    const missing = (await boot(t)).state;
    if (missing.kind !== "unusable") throw new Error(missing.kind);
    expect(missing.message).toContain("is missing");
    expect(missing.mend).toContain("flock token create --admin");
    expect(readdirSync(t.dir)).not.toContain("admin.key");

    writeFileSync(state.path, "something else");
    expect((await boot(t)).state).toMatchObject({
      kind: "unusable",
      message: expect.stringContaining("does not work"),
    });
    expect(readFileSync(state.path, "utf8")).toBe("something else");
    expect((await allKeys(t.store.sql)).length).toBe(1);
  });

  test("a revoked key in the file is said", async () => {
    await using t = await openTestStore();
    await boot(t);
    await createToken({ store: t.store }, { name: "second", scope: "admin" }, "root");
    await revokeToken({ store: t.store }, "admin", "root");
    expect((await boot(t)).state.kind).toBe("unusable");
  });

  test("a reset makes another admin key and keeps the old ones", async () => {
    await using t = await openTestStore();
    const { ring, state } = await boot(t);
    rmSync(state.path);
    const reset = await resetAdminKey({ store: t.store, ring }, t.dir);
    if (!reset.ok) throw new Error(JSON.stringify(reset.error));
    expect(ring.find(reset.value.secret)).toMatchObject({ ok: true, value: { scope: "admin", keyName: "admin-2" } });
    expect((await boot(t)).state.kind).toBe("present");
    expect((await allKeys(t.store.sql)).filter((key) => key.revokedAt === null).length).toBe(2);
    expect((await recentAudit(t.store.sql, { limit: 1 }))[0]).toMatchObject({ actor: "local" });
  });
});
