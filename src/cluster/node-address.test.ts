import { expect, test } from "bun:test";
import { portOf } from "./node-address.ts";

test("a leader on its scheme's usual port has that one, and not none", () => {
  const urls = ["http://box", "http://box:80", "https://box:443", "http://box:443", "http://[::1]:8080"];
  expect(urls.map((url) => portOf(new URL(url)))).toEqual([80, 80, 443, 443, 8080]);
});
