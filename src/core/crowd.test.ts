import { edenGC, fullGC, heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { Crowd } from "./crowd.ts";

test("who leaves is gone, wherever the seat was, and leaving twice takes nobody else along", () => {
  const crowd = new Crowd<string>();
  const [a, b, c] = ["a", "b", "c"].map((who) => crowd.join(who));
  if (!a || !b || !c) throw new Error("nobody came");
  crowd.leave(a);
  crowd.leave(a);
  expect([...crowd].toSorted()).toEqual(["b", "c"]);
  crowd.leave(c);
  crowd.leave(c);
  expect([...crowd]).toEqual(["b"]);
  crowd.leave(b);
  expect(crowd.size).toBe(0);
});

test("who leaves while the others are gone through is passed over, and nobody comes twice", () => {
  const crowd = new Crowd<number>();
  const seats = Array.from({ length: 6 }, (_, who) => crowd.join(who));
  const seen: number[] = [];
  for (const who of crowd) {
    seen.push(who);
    const other = seats[5 - who];
    if (other) crowd.leave(other);
  }
  expect(seen).toEqual([0, 1, 2]);
});

test("who came and went is not kept in memory by those who came before", () => {
  const crowd = new Crowd<Date>();
  const join = () => crowd.join(new Date());
  let here = Array.from({ length: 32 }, join);
  const dates = (): number => heapStats().objectTypeCounts.Date ?? 0;
  fullGC();
  const before = dates();
  for (let round = 0; round < 4; round += 1) {
    for (let turn = 0; turn < 40; turn += 1) {
      for (const seat of here) crowd.leave(seat);
      here = here.map(join);
    }
    edenGC();
  }
  // Of the 5,120 that came a `Set` would keep nearly all.
  expect(dates() - before).toBeLessThan(500);
});
