import { expect, test } from "bun:test";
import { cpuMs, residentBytes } from "./process-cost.ts";
import { median, percentile } from "./statistics.ts";

test("medians and percentiles are values that were measured", () => {
  expect(median([5, 1, 3])).toBe(3);
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile([], 0.5)).toBeNaN();
});

test.skipIf(process.platform !== "linux")("CPU time and memory of a process are read from the kernel", () => {
  const before = cpuMs([process.pid]);
  const until = performance.now() + 300;
  let spins = 0;
  while (performance.now() < until) spins += 1;
  expect(spins).toBeGreaterThan(0);
  // The machine may be busy with others: at least a part of the 300 ms was ours.
  expect(cpuMs([process.pid]) - before).toBeGreaterThanOrEqual(20);
  expect(residentBytes([process.pid])).toBeGreaterThan(10_000_000);
});
