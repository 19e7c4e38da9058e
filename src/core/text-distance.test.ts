import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { nearestNames, textDistance } from "./text-distance.ts";

describe("edit distance", () => {
  test.each([
    ["token", "token", 0],
    ["tokn", "token", 1],
    ["tokne", "token", 1],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
  ])("%s to %s is %i", (a, b, distance) => expect(textDistance(a, b)).toBe(distance));

  test("is symmetric and never above the longer length", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(textDistance(a, b)).toBe(textDistance(b, a));
        expect(textDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});

test("the nearest names come best first, and strangers are left out", () => {
  const names = ["qwen3-8b", "qwen3-coder-30b", "llama-3.2-1b", "gemma4-12b"];
  expect(nearestNames("qwen3-b8", names)[0]).toBe("qwen3-8b");
  expect(nearestNames("llama", names)).toEqual(["llama-3.2-1b"]);
  expect(nearestNames("zzzzzz", names)).toEqual([]);
});
