import { expect, test } from "bun:test";
import { bytes, count, duration, parseExpiry, relative } from "./format.ts";

test.each([
  [0, "0 ms"],
  [999.4, "999 ms"],
  [1000, "1.0 s"],
  [9990, "9.9 s"],
  [59_999, "59 s"],
  [60_000, "1 m 0 s"],
  [3_725_000, "1 h 2 m"],
  [90_000_000, "1 d 1 h"],
])("%d ms last %s", (ms, text) => expect(duration(ms)).toBe(text));

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1 KiB"],
  [1536, "1.5 KiB"],
  [1_048_575, "1 MiB"],
  [68_719_476_736, "64 GiB"],
])("%d bytes are %s", (size, text) => expect(bytes(size)).toBe(text));

test.each([
  [0, "0"],
  [999, "999"],
  [1000, "1,000"],
  [1_234_567, "1,234,567"],
])("%d counts as %s", (value, text) => expect(count(value)).toBe(text));

test("moments are placed by one unit", () => {
  expect(relative(1000, 2000)).toBe("now");
  expect(relative(0, 120_000)).toBe("2 m ago");
  expect(relative(86_400_000 * 3, 0)).toBe("in 3 d");
});

test("an expiry is a span or a date, and a date includes its day", () => {
  expect(parseExpiry("30d", 0)).toBe(30 * 86_400_000);
  expect(parseExpiry("12h", 5)).toBe(12 * 3_600_000 + 5);
  expect(parseExpiry("2026-12-31", 0)).toBe(Date.UTC(2027, 0, 1));
  expect(parseExpiry("2026-12-31T10:00Z", 0)).toBe(Date.UTC(2026, 11, 31, 10));
  for (const wrong of ["", "30", "d", "-3d", "2026-13-01", "tomorrow"]) expect(parseExpiry(wrong, 0)).toBeNull();
});
