import { expect, test } from "bun:test";
import { nearest } from "./nearest.ts";

test("a guess is made only when it is near", () => {
  const commands = ["up", "down", "status", "token", "usage"];
  expect(nearest("statsu", commands)).toBe("status");
  expect(nearest("TOKEN", commands)).toBe("token");
  expect(nearest("usgae", commands)).toBe("usage");
  expect(nearest("sta", commands)).toBe("status");
  expect(nearest("elephant", commands)).toBeNull();
  expect(nearest("x", commands)).toBeNull();
});
