import { expect, test } from "bun:test";
import { changeOf } from "./audit-change.ts";
import { time } from "./format.ts";

const target = "key_1";

test("of two sides, the fields that differ are shown by their whole names, and times as times", () => {
  const before = { name: "a", revokedAt: null, limits: { dailyTokens: 200, concurrency: 0 }, state: "ready" };
  const after = {
    name: "a",
    revokedAt: 1_795_966_525_022,
    limits: { dailyTokens: 500, concurrency: 0 },
    action: "stop",
  };
  expect(changeOf({ target, before, after })).toBe(
    `revokedAt: none → ${time(1_795_966_525_022)}, limits.dailyTokens: 200 → 500, state: was ready, action: stop`,
  );
});

test("of what was made or taken away, what says nothing is left out", () => {
  const fields = { id: target, name: "ci", limits: { dailyTokens: 9, concurrency: 0 }, models: [], localOnly: false };
  const line = "name: ci, limits.dailyTokens: 9";
  expect(changeOf({ target, before: null, after: { ...fields, expiresAt: null } })).toBe(line);
  expect(changeOf({ target, before: fields, after: null })).toBe(line);
});

test("a setting is a plain value", () => {
  expect(changeOf({ target, before: null, after: "qwen3-8b" })).toBe("qwen3-8b");
  expect(changeOf({ target, before: "qwen3-8b", after: null })).toBe("qwen3-8b → none");
});
