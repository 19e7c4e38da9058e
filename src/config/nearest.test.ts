import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { editDistance, nearest } from "./nearest.ts";

describe("edit distance", () => {
  test.each([
    ["token", "token", 0],
    ["tokn", "token", 1],
    ["tokne", "token", 1],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
  ])("%s to %s is %i", (a, b, distance) => expect(editDistance(a, b)).toBe(distance));

  test("is symmetric and never above the longer length", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});

test("a guess is made only when it is near", () => {
  const commands = ["up", "down", "status", "token", "usage"];
  expect(nearest("statsu", commands)).toBe("status");
  expect(nearest("TOKEN", commands)).toBe("token");
  expect(nearest("usgae", commands)).toBe("usage");
  expect(nearest("sta", commands)).toBe("status");
  expect(nearest("elephant", commands)).toBeNull();
  expect(nearest("x", commands)).toBeNull();
});
