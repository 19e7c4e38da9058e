import { expect, test } from "bun:test";
import { SliceSize } from "./slice-size.ts";

test("a slice takes the time that it may, by what the last ones took", () => {
  const size = new SliceSize();
  expect(size.tokens(false)).toBe(128);
  expect(size.tokens(true)).toBe(129);
  size.took(129, 25);
  expect(size.tokens(true)).toBe(4 * 64 + 1);
  // The further back attention looks, the slower.
  size.took(257, 100);
  expect(size.tokens(true)).toBe(2 * 64 + 1);
});

test("where nobody else is there it is longer", () => {
  const size = new SliceSize();
  size.took(128, 128);
  expect(size.tokens(false)).toBe(3 * 64);
  expect(size.tokens(true)).toBe(65);
});

test("it is never so small that attention gets slow, nor larger than a batch", () => {
  const size = new SliceSize();
  size.took(128, 60_000);
  expect(size.tokens(false)).toBe(64);
  expect(size.tokens(true)).toBe(65);
  for (let slice = 0; slice < 40; slice++) size.took(128, 0);
  expect(size.tokens(false)).toBe(512);
  expect(size.tokens(true)).toBe(449);
});

test("one slice that was fast by chance does not make the next one long, and a short rest says nothing", () => {
  const size = new SliceSize();
  size.took(128, 50);
  expect(size.tokens(true)).toBe(2 * 64 + 1);
  size.took(128, 1);
  expect(size.tokens(true)).toBe(4 * 64 + 1);
  size.took(5, 500);
  expect(size.tokens(true)).toBe(4 * 64 + 1);
});
