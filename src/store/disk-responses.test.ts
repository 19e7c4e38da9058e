import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../core/chat-request.ts";
import { DiskResponses, type DiskResponsesOptions } from "./disk-responses.ts";

const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function make(limits: DiskResponsesOptions["limits"] = {}) {
  const dir = join(mkdtempSync(join(tmpdir(), "flock-responses-")), "responses");
  dirs.push(dir);
  const clock = { ms: 1_700_000_000_000, now: () => clock.ms, monotonicMs: () => clock.ms };
  const warnings: string[] = [];
  const log = { warn: (message: string) => void warnings.push(message) };
  const open = (another = false) => new DiskResponses({ dir, clock, limits, another, log });
  return { dir, clock, warnings, open, store: open() };
}

const said = (text: string, id?: string): JsonObject => ({ type: "message", content: text, ...(id ? { id } : {}) });
const response = (name: string, items: JsonObject[], history: readonly JsonObject[] = []) => ({
  id: `resp_${name}`,
  history,
  items,
  inputs: 1,
  head: { id: `resp_${name}`, status: "completed" },
});
const files = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((one) => one.endsWith(".json"));

test("a conversation is continued and shown again after a restart", async () => {
  const { store, open } = make();
  expect(await store.put("k", response("a1", [said("hi"), said("hello", "msg_a100")]))).toBe(true);
  const history = (await store.resolve("k", "resp_a1")) ?? [];
  await store.put("k", response("a2", [said("more"), said("sure", "msg_a200")], history));
  const again = open();
  const whole = [said("hi"), said("hello", "msg_a100"), said("more"), said("sure", "msg_a200")];
  expect(await again.resolve("k", "resp_a2")).toEqual(whole);
  expect(await again.get("k", "resp_a2")).toEqual({
    head: { id: "resp_a2", status: "completed" },
    input: whole.slice(0, 3),
    output: whole.slice(3),
  });
  expect(await again.item("k", "msg_a100")).toEqual(said("hello", "msg_a100"));
  expect(again.bytes).toBe(store.bytes);
});

test("to another key everything is unknown, and no id becomes a path", async () => {
  const { store, dir } = make();
  await store.put("k", response("a1", [said("secret", "msg_a100")]));
  expect([await store.resolve("o", "resp_a1"), await store.get("o", "resp_a1")]).toEqual([null, null]);
  expect([await store.item("o", "msg_a100"), await store.delete("o", "resp_a1")]).toEqual([null, false]);
  for (const id of ["resp_../a1", "resp_a1.json", "../resp_a1", "resp_", "", "resp_A1", `resp_${"a".repeat(99)}`]) {
    expect([id, await store.resolve("k", id)]).toEqual([id, null]);
    expect(await store.put("k", { ...response("x", [said("a")]), id })).toBe(false);
  }
  expect(statSync(dir).mode & 0o077).toBe(0);
  for (const file of files(dir)) expect(statSync(join(dir, file)).mode & 0o077).toBe(0);
});

test("a deleted response is gone from the disk, but what continues it has the whole conversation", async () => {
  const { store, dir, open } = make();
  await store.put("k", response("a1", [said("a")]));
  await store.put("k", response("a2", [said("b")], (await store.resolve("k", "resp_a1")) ?? []));
  expect(await store.delete("k", "resp_a1")).toBe(true);
  expect(await store.delete("k", "resp_a1")).toBe(false);
  expect(await open().resolve("k", "resp_a2")).toEqual([said("a"), said("b")]);
  await store.delete("k", "resp_a2");
  expect([files(dir), store.bytes]).toEqual([[], 0]);
});

test("a long conversation is on disk once, not once a turn", async () => {
  const { store } = make();
  let history: readonly JsonObject[] = [];
  for (let turn = 0; turn < 20; turn += 1) {
    await store.put("k", response(`t${turn}`, [said("x".repeat(50_000))], history));
    history = (await store.resolve("k", `resp_t${turn}`)) ?? [];
  }
  expect(history).toHaveLength(20);
  expect(store.bytes).toBeLessThan(20 * 60_000);
});

test("what a crash left half done is removed, and what is damaged is unknown", async () => {
  const { store, dir, open } = make();
  await store.put("k", response("a1", [said("a")]));
  await store.put("k", response("b1", [said("b")]));
  await store.put("k", response("c1", [said("c")]));
  const [folder = ""] = readdirSync(dir);
  const at = (file: string): string => join(dir, folder, file);
  writeFileSync(at("t-orphan.json"), "[]");
  writeFileSync(at("r-half.json.1234.tmp"), "{");
  rmSync(at("t-b1.json"));
  truncateSync(at("r-c1.json"), 5);
  const again = open();
  expect(await again.resolve("k", "resp_a1")).toEqual([said("a")]);
  expect([await again.resolve("k", "resp_b1"), await again.resolve("k", "resp_c1")]).toEqual([null, null]);
  expect(
    files(dir)
      .map((file) => file.slice(folder.length + 1))
      .sort(),
  ).toEqual(["r-a1.json", "t-a1.json"]);
  expect(existsSync(at("r-half.json.1234.tmp"))).toBe(false);
  truncateSync(at("t-a1.json"), 3);
  expect(await again.resolve("k", "resp_a1")).toBeNull();
});

test("the least recently used goes first, within a key before any other's, also after a restart", async () => {
  const { store, clock, dir, open } = make({ maxBytesPerKey: 40_000, maxBytes: 60_000 });
  const big = [said("x".repeat(5_000))];
  const step = async (work: Promise<unknown>): Promise<void> => {
    await work;
    clock.ms += 1000;
  };
  await step(store.put("other", response("o1", big)));
  await step(store.put("k", response("a1", big)));
  await step(store.put("k", response("a2", big)));
  await step(store.resolve("k", "resp_a1"));
  const again = open();
  await step(again.put("k", response("a3", big)));
  await step(again.put("k", response("a4", big)));
  expect(await again.resolve("k", "resp_a2")).toBeNull();
  for (const id of ["resp_a3", "resp_a4"]) expect([id, await again.resolve("k", id)]).toEqual([id, big]);
  expect(await again.resolve("other", "resp_o1")).toEqual(big);
  expect(again.bytes).toBeLessThanOrEqual(60_000);
  expect(await again.put("k", response("huge", [said("x".repeat(50_000))]))).toBe(false);
  expect(files(dir).some((file) => file.includes("huge"))).toBe(false);
});

test("a response is forgotten when it was not used for long", async () => {
  const { store, clock, dir } = make({ keepMs: 1000 });
  await store.put("k", response("a1", [said("a")]));
  clock.ms += 999;
  expect(await store.resolve("k", "resp_a1")).not.toBeNull();
  clock.ms += 1000;
  expect(await store.resolve("k", "resp_a1")).toBeNull();
  await store.put("k", response("a2", [said("b")]));
  expect(files(dir)).toHaveLength(2);
});

test("a disk that takes nothing is a warning, not an error", async () => {
  const { dir, clock } = make();
  const warnings: string[] = [];
  writeFileSync(join(dir, "..", "file"), "");
  const store = new DiskResponses({
    dir: join(dir, "..", "file"),
    clock,
    log: { warn: (message) => warnings.push(message) },
  });
  expect(await store.put("k", response("a1", [said("a")]))).toBe(false);
  expect(await store.resolve("k", "resp_a1")).toBeNull();
  expect(warnings).toHaveLength(2);
});

test("what the leader before keeps as it gives its last answers is known to the one that took over", async () => {
  const { store, open, dir } = make();
  await store.put("k", response("a1", [said("hi"), said("hello", "msg_a100")]));
  const history = (await store.resolve("k", "resp_a1")) ?? [];
  const folder = join(dir, files(dir)[0]?.split("/")[0] ?? "");
  // Half of a response: the other half comes in a moment.
  writeFileSync(join(folder, "t-b1.json"), "[]");
  const next = open(true);
  expect(await next.resolve("k", "resp_a2")).toBeNull();
  expect(existsSync(join(folder, "t-b1.json"))).toBe(true);
  await store.put("k", response("a2", [said("more"), said("sure", "msg_a200")], history));
  expect((await next.resolve("k", "resp_a2"))?.length).toBe(4);
  expect(next.bytes).toBe(store.bytes);
  await store.put("k", response("a3", [said("more"), said("yes", "msg_a300")], history));
  expect(await next.item("k", "msg_a300")).toEqual(said("yes", "msg_a300"));
  await store.put("k", response("a4", [said("last")]));
  expect([await next.delete("k", "resp_a4"), await next.resolve("k", "resp_a4")]).toEqual([true, null]);
  expect([await next.resolve("o", "resp_a2"), await next.resolve("k", "resp_../a1")]).toEqual([null, null]);
});
