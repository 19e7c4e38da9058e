import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeConfig } from "./describe.ts";
import { loadConfig } from "./load.ts";
import { shadowOf, withStored } from "./stored.ts";

const KEY = "router.default_model";

async function load(file: string, env: Record<string, string>, flags: Record<string, string>) {
  const dir = mkdtempSync(join(tmpdir(), "flock-stored-"));
  try {
    if (file !== "") writeFileSync(join(dir, "config.yaml"), file);
    const loaded = await loadConfig({ env, flags: { "data-dir": dir, ...flags }, cwd: dir, home: dir });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
    return loaded.value;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test("what is stored beats file and default, and is beaten by environment and flags, which are named", async () => {
  const file = "router:\n  default_model: from-file\n";
  const stored = new Map([[KEY, "from-store"]]);
  const rows: readonly [string, Record<string, string>, Record<string, string>, string, string, string | null][] = [
    ["", {}, {}, "from-store", "store", null],
    [file, {}, {}, "from-store", "store", null],
    [file, { FLOCK_DEFAULT_MODEL: "from-env" }, {}, "from-env", "env", "FLOCK_DEFAULT_MODEL"],
    ["", {}, { "router-default-model": "from-flag" }, "from-flag", "flag", "--router-default-model"],
  ];
  for (const [text, env, flags, value, source, shadow] of rows) {
    const loaded = await load(text, env, flags);
    const merged = withStored(loaded, stored);
    expect(merged.values.router.default_model).toBe(value);
    expect(describeConfig(merged).find(({ key }) => key === KEY)).toMatchObject({ value, origin: source });
    expect(shadowOf(loaded, KEY)).toBe(shadow);
    expect(Object.isFrozen(merged.values.router)).toBe(true);
    // The other settings stay as they were.
    expect(merged.values.listen).toBe(loaded.values.listen);
  }
});

test("what this version cannot read, or does not keep in the store, does not count", async () => {
  const loaded = await load("router:\n  default_model: from-file\n", {}, {});
  const stored = new Map<string, unknown>([
    [KEY, 7],
    ["listen", ":1"],
    ["of.later", true],
  ]);
  const merged = withStored(loaded, stored);
  expect(merged.values).toEqual(loaded.values);
  expect(merged.origin).toEqual(loaded.origin);
});
