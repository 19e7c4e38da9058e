import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { BASE_INTERVAL_MS, GRACE_MS, intervalFor, leaseMs, nextBeatMs } from "./heartbeat-schedule.ts";

test("the interval is five seconds, and stretches when nodes grow", () => {
  expect(intervalFor(0)).toBe(BASE_INTERVAL_MS);
  expect(intervalFor(200)).toBe(BASE_INTERVAL_MS);
  expect(intervalFor(1000)).toBe(20_000);
});

test("the next beat lies between half and one and a half of the interval, whatever the moment", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 400 }),
      fc.integer({ min: 1, max: 400 }),
      fc.nat(1e9),
      (place, nodes, now) => {
        const interval = intervalFor(nodes);
        const next = nextBeatMs(place, nodes, interval, now);
        expect(next).toBeGreaterThanOrEqual(Math.floor(interval / 2));
        expect(next).toBeLessThanOrEqual(Math.ceil(interval * 1.5));
      },
    ),
  );
});

test("nodes that beat all at once are spread over the interval by their next beat", () => {
  const nodes = 100;
  const at = Array.from({ length: nodes }, (_, place) => (7 + nextBeatMs(place, nodes, 5_000, 7)) % 5_000);
  const second = [0, 0, 0, 0, 0];
  for (const moment of at) second[Math.floor(moment / 1000)] = (second[Math.floor(moment / 1000)] ?? 0) + 1;
  expect(second).toEqual([20, 20, 20, 20, 20]);
});

test("a few nodes beat together, and never more than five", () => {
  for (const nodes of [1, 50, 200, 250, 333, 1_000]) {
    const interval = intervalFor(nodes);
    const at = Array.from({ length: nodes }, (_, place) => (3 + nextBeatMs(place, nodes, interval, 3)) % interval);
    const together = [...Map.groupBy(at, (moment) => moment).values()].map((group) => group.length);
    expect(Math.max(...together)).toBeLessThanOrEqual(5);
    expect(together.length).toBeLessThanOrEqual(Math.ceil(interval / 100));
  }
});

test("a lease holds for three missed beats and a moment", () => {
  expect(leaseMs(5_000, 5_000)).toBe(15_000 + GRACE_MS);
  expect(leaseMs(5_000, 2_500)).toBe(15_000 + GRACE_MS);
});
