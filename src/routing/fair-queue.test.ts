import { expect, test } from "bun:test";
import fc from "fast-check";
import { FairQueue, type Fit } from "./fair-queue.ts";

interface Entry {
  readonly number: number;
  readonly keyId: string;
  readonly batch: boolean;
  readonly costTokens: number;
  passed: number;
}

const always = (): Fit => "yes";
const rows = fc.array(
  fc.record({
    keyId: fc.constantFrom("a", "b", "c", "d"),
    batch: fc.boolean(),
    costTokens: fc.integer({ min: 1, max: 10_000 }),
  }),
  { maxLength: 60 },
);
const entriesOf = (all: readonly Omit<Entry, "number" | "passed">[]): Entry[] =>
  all.map((row, number) => ({ ...row, number, passed: 0 }));

test("everybody who waits is served exactly once, each key's requests of a class in their order", () => {
  fc.assert(
    fc.property(rows, (all) => {
      const queue = new FairQueue<Entry>();
      const entries = entriesOf(all);
      for (const entry of entries) queue.push(entry);
      expect(queue.length).toBe(entries.length);
      const expected = queue.order().map(({ number }) => number);
      const served: Entry[] = [];
      for (let entry = queue.next(always); entry !== null; entry = queue.next(always)) served.push(entry);
      expect(served.map(({ number }) => number)).toEqual(expected);
      expect(served.map(({ number }) => number).toSorted((a, b) => a - b)).toEqual(entries.map(({ number }) => number));
      for (const key of ["a", "b", "c", "d"]) {
        for (const batch of [true, false]) {
          const own = served
            .filter((entry) => entry.keyId === key && entry.batch === batch)
            .map(({ number }) => number);
          expect(own).toEqual(own.toSorted((a, b) => a - b));
        }
      }
    }),
  );
});

test("while two keys both wait, what they were served differs by one request at most", () => {
  const costs = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(costs, costs, (first, second) => {
      const queue = new FairQueue<Entry>();
      const all = [
        ...first.map((costTokens) => ({ keyId: "a", batch: false, costTokens })),
        ...second.map((costTokens) => ({ keyId: "b", batch: false, costTokens })),
      ];
      for (const entry of entriesOf(all)) queue.push(entry);
      const left = { a: first.length, b: second.length };
      const served = { a: 0, b: 0 };
      const largest = Math.max(...first, ...second);
      while (left.a > 0 && left.b > 0) {
        const entry = queue.next(always);
        if (entry === null) throw new Error("nobody was served");
        const key = entry.keyId === "a" ? "a" : "b";
        served[key] += entry.costTokens;
        left[key] -= 1;
        expect(Math.abs(served.a - served.b)).toBeLessThanOrEqual(largest);
      }
    }),
  );
});

test("a key that comes anew is served next but one at the latest, however long others have waited", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.nat(40), (waiting, before) => {
      const queue = new FairQueue<Entry>();
      const greedy = Array.from({ length: waiting + before }, () => ({ keyId: "a", batch: false, costTokens: 1000 }));
      for (const entry of entriesOf(greedy)) queue.push(entry);
      for (let served = 0; served < before; served += 1) queue.next(always);
      queue.push({ number: -1, keyId: "new", batch: false, costTokens: 10, passed: 0 });
      expect(queue.order().findIndex(({ keyId }) => keyId === "new")).toBeLessThan(2);
    }),
  );
});

test("a key cannot get ahead by coming one request at a time", () => {
  const queue = new FairQueue<Entry>();
  const push = (keyId: string, costTokens: number): void =>
    queue.push({ number: 0, keyId, batch: false, costTokens, passed: 0 });
  for (let waiting = 0; waiting < 200; waiting += 1) push("steady", 100);
  const served = { steady: 0, single: 0 };
  for (let turn = 0; turn < 100; turn += 1) {
    if (!queue.order().some(({ keyId }) => keyId === "single")) push("single", 1000);
    const entry = queue.next(always);
    served[entry?.keyId === "single" ? "single" : "steady"] += entry?.costTokens ?? 0;
  }
  expect(served.single).toBeLessThanOrEqual(served.steady + 1000);
});

test("one whom it suits well goes before others, who are passed over only so often", () => {
  const queue = new FairQueue<Entry>();
  const entries = entriesOf(Array.from({ length: 12 }, () => ({ keyId: "a", batch: false, costTokens: 1 })));
  for (const entry of entries) queue.push(entry);
  const suits = ({ number }: Entry): Fit => (number % 2 === 1 ? "well" : "yes");
  const order: number[] = [];
  for (let entry = queue.next(suits, 3); entry !== null; entry = queue.next(suits, 3)) order.push(entry.number);
  expect(order.slice(0, 4)).toEqual([1, 3, 5, 0]);
  expect(order.toSorted((a, b) => a - b)).toEqual(entries.map(({ number }) => number));
  expect(Math.max(...entries.map(({ passed }) => passed))).toBeLessThanOrEqual(3);
});

test("those whom nothing fits stay, and those who leave are gone", () => {
  const queue = new FairQueue<Entry>();
  const [first, second] = entriesOf([
    { keyId: "a", batch: false, costTokens: 1 },
    { keyId: "a", batch: true, costTokens: 1 },
  ]);
  if (!first || !second) throw new Error("no entries");
  queue.push(first);
  queue.push(second);
  expect(queue.next(() => "no")).toBeNull();
  expect(queue.next(({ batch }) => (batch ? "yes" : "no"))).toBe(second);
  expect(queue.remove(first)).toBe(true);
  expect(queue.remove(first)).toBe(false);
  expect(queue.length).toBe(0);
});
