import { expect, test } from "bun:test";
import { listAliases } from "../store/aliases.ts";
import { recentAudit } from "../store/audit.ts";
import { allSettings, putSetting } from "../store/settings.ts";
import { onEachDatabase, type TestStore } from "../store/test-store.ts";
import { type AliasDeps, deleteAlias, setAlias } from "./aliases.ts";
import { setDefaultModel } from "./default-model.ts";
import { createToken } from "./tokens.ts";

function depsOf({ store }: TestStore): AliasDeps {
  const models = { served: () => ["qwen3-8b", "llama-3.2-1b"], installable: () => Promise.resolve(["gemma3-4b"]) };
  return { store, models };
}

onEachDatabase((openTestStore) => {
  test("an alias is for everybody or for one key, is pointed elsewhere and removed, each with an audit entry", async () => {
    await using t = await openTestStore();
    const deps = depsOf(t);
    const made = await createToken(deps, { name: "ci", scope: "user" }, "root");
    const keyId = made.ok ? made.value.key.id : "";
    const set = async (name: string, model: string, key: string | null = null): Promise<unknown> => {
      const done = await setAlias(deps, { name, model, key }, "root");
      return done.ok ? [done.value.model, done.value.keyName] : done.error;
    };
    expect(await set("fast", "qwen3-8b")).toEqual(["qwen3-8b", null]);
    expect(await set("fast", "llama-3.2-1b", "ci")).toEqual(["llama-3.2-1b", "ci"]);
    t.clock.ms += 5;
    expect(await set("fast", "Llama-3.2-1B")).toEqual(["Llama-3.2-1B", null]);
    expect(await set("claude-haiku-4-5", "fast")).toEqual(["fast", null]);
    expect(await set("anthropic/claude-x", "auto")).toEqual(["auto", null]);
    expect(await set("soon", "gemma3-4b")).toEqual(["gemma3-4b", null]);
    expect(await set("other", "hf:owner/name")).toEqual(["hf:owner/name", null]);
    expect(await set("soon", "gemma3-4b")).toEqual(["gemma3-4b", null]);
    expect(await deleteAlias(deps, "fast", keyId, "root")).toMatchObject({ ok: true, value: { keyName: "ci" } });
    expect((await listAliases(t.store.sql)).map(({ name, model }) => `${name}=${model}`)).toEqual([
      "anthropic/claude-x=auto",
      "claude-haiku-4-5=fast",
      "fast=Llama-3.2-1B",
      "other=hf:owner/name",
      "soon=gemma3-4b",
    ]);
    const entries = (await recentAudit(t.store.sql, { limit: 100 })).filter(({ action }) =>
      action.startsWith("alias."),
    );
    expect(entries.length).toBe(8);
    expect(entries[0]).toMatchObject({
      action: "alias.remove",
      before: { model: "llama-3.2-1b", key: keyId },
      after: null,
    });
    expect(entries[5]).toMatchObject({
      target: "fast",
      before: { model: "qwen3-8b" },
      after: { model: "Llama-3.2-1B" },
    });
  });

  test("what would be of no use is refused with what to do: unknown models, circles, names of models", async () => {
    await using t = await openTestStore();
    const deps = depsOf(t);
    await createToken(deps, { name: "ci", scope: "user" }, "root");
    const set = async (name: string, model: string, key: string | null = null): Promise<unknown> => {
      const done = await setAlias(deps, { name, model, key }, "root");
      return done.ok ? "ok" : done.error;
    };
    expect(await set("fast", "qwen3-b8")).toEqual({ kind: "unknown_model", model: "qwen3-b8", nearest: ["qwen3-8b"] });
    expect(await set("qwen3-8b", "llama-3.2-1b")).toMatchObject({ kind: "conflict" });
    expect(await set("auto", "qwen3-8b")).toMatchObject({ kind: "invalid_request", field: "name" });
    expect(await set("two words", "qwen3-8b")).toMatchObject({ kind: "invalid_request", field: "name" });
    expect(await set("a", "a")).toMatchObject({ kind: "unknown_model" });
    expect(await set("a", "qwen3-8b")).toBe("ok");
    expect(await set("b", "a")).toBe("ok");
    expect(await set("c", "b")).toBe("ok");
    expect(await set("a", "c")).toMatchObject({ message: "model: this would go round in a circle: a → c → b → a" });
    // For one key only: its own c leads to d, and d to c for everybody.
    expect(await set("c", "qwen3-8b", "ci")).toBe("ok");
    expect(await set("d", "c")).toBe("ok");
    expect(await set("c", "d", "ci")).toMatchObject({ kind: "invalid_request" });
    expect(await set("e", "qwen3-8b")).toBe("ok");
    expect(await set("f", "e", "ci")).toBe("ok");
    expect(await set("f", "qwen3-8b")).toBe("ok");
    expect(await set("e", "f")).toMatchObject({ kind: "invalid_request" });
    expect(await set("x", "qwen3-8b", "nobody")).toMatchObject({ kind: "not_found", mend: "flock token ls" });
    expect(await deleteAlias(deps, "f", "ci", "root")).toMatchObject({ ok: true });
    expect(await deleteAlias(deps, "nothing", null, "root")).toMatchObject({ ok: false, error: { kind: "not_found" } });
    expect(JSON.stringify(await deleteAlias(deps, "c", "nobody", "root"))).toContain("flock token ls");
  });

  test("a default is stored, taken back, and refused where something stronger sets it", async () => {
    await using t = await openTestStore();
    const deps = depsOf(t);
    const stored = async (): Promise<unknown> => (await allSettings(t.store.sql)).get("router.default_model");
    expect(await setDefaultModel(deps, "Qwen3-8b", null, "root")).toEqual({ ok: true, value: undefined });
    expect(await stored()).toBe("Qwen3-8b");
    expect(await setDefaultModel(deps, "qwen8", null, "root")).toMatchObject({
      ok: false,
      error: { kind: "unknown_model" },
    });
    expect(await setDefaultModel(deps, "llama-3.2-1b", "FLOCK_DEFAULT_MODEL", "root")).toMatchObject({
      ok: false,
      error: {
        kind: "conflict",
        message: expect.stringContaining("FLOCK_DEFAULT_MODEL"),
        mend: expect.stringContaining("FLOCK_DEFAULT_MODEL"),
      },
    });
    expect(await stored()).toBe("Qwen3-8b");
    expect(await setDefaultModel(deps, null, null, "root")).toMatchObject({ ok: true });
    expect(await setDefaultModel(deps, null, null, "root")).toMatchObject({ ok: true });
    expect(await stored()).toBeUndefined();
    const entries = await recentAudit(t.store.sql, { limit: 10 });
    expect(entries.map(({ action, before, after }) => [action, before, after])).toEqual([
      ["default.set", "Qwen3-8b", null],
      ["default.set", null, "Qwen3-8b"],
    ]);
    await t.store.write((tx) => putSetting(tx, "other", 1, 1));
  });
});
