import { expect, test } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDir } from "../../store/test-store.ts";
import { REMOVED_KEPT_MS, RemovedNodes } from "./removed-nodes.ts";

function open(dir: string, now: number): RemovedNodes {
  const opened = RemovedNodes.open(dir, now);
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

test("who was removed is known after a start, for its time, and to this user alone", () => {
  using dir = temporaryDir();
  const first = open(dir.path, 1_000);
  expect(first.has("n_1")).toBe(false);
  first.add("n_1", 1_000);
  first.add("n_2", 2_000);
  expect(statSync(join(dir.path, "removed-nodes.json")).mode & 0o777).toBe(0o600);
  const second = open(dir.path, 3_000);
  expect(["n_1", "n_2", "n_3"].map((id) => second.has(id))).toEqual([true, true, false]);
  const third = open(dir.path, 1_500 + REMOVED_KEPT_MS);
  expect(["n_1", "n_2"].map((id) => third.has(id))).toEqual([false, true]);
});

test("a file that cannot be read is no empty one: a leader does not start on it, and says what mends it", () => {
  using dir = temporaryDir();
  for (const text of ["", "{", "[]", '{"n_1":"yesterday"}']) {
    writeFileSync(join(dir.path, "removed-nodes.json"), text);
    const opened = RemovedNodes.open(dir.path, 1_000);
    expect(opened.ok ? "" : opened.error.message).toContain("says no more which nodes were removed");
    expect(opened.ok ? "" : opened.error.mend).toContain("put it back from a backup; or: rm ");
  }
});
