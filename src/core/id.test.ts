import { expect, test } from "bun:test";
import { newId, newRequestId } from "./id.ts";

test("ids of requests are of one form, in the order of their time, and no two are the same", () => {
  const ids = Array.from({ length: 5000 }, (_, at) => newRequestId(1_700_000_000_000 + Math.floor(at / 100)));
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every((id) => /^req_[0-9a-z]{20}$/.test(id))).toBe(true);
  const times = ids.map((id) => Number.parseInt(id.slice(4, 13), 36));
  expect(times).toEqual(ids.map((_, at) => 1_700_000_000_000 + Math.floor(at / 100)));
});

test("other ids have a prefix and as many characters as were asked for", () => {
  expect(newId("call")).toMatch(/^call_[0-9a-z]{16}$/);
  expect(newId("key", 1)).toMatch(/^key_[0-9a-z]$/);
});
