import { expect, test } from "bun:test";
import { decisionCost } from "./decision-cost.ts";
import { fairness } from "./fairness.ts";
import { homes, moved } from "./homes.ts";
import { simulate } from "./simulate.ts";
import { SHARED_PREFIXES } from "./workload.ts";

test("prefix routing: twice round robin's tokens, three quarters from caches, nobody over one and a half the mean", async () => {
  for (const seed of [1, 2, 3]) {
    const run = { workload: SHARED_PREFIXES, seed, replicas: 8 };
    const roundRobin = await simulate({ ...run, policy: "round robin" });
    const flock = await simulate({ ...run, policy: "flock" });
    expect(roundRobin.hitRate).toBeGreaterThan(0.15);
    expect(roundRobin.hitRate).toBeLessThan(0.25);
    expect(flock.hitRate).toBeGreaterThan(0.75);
    expect(flock.outputTokensPerSecond).toBeGreaterThan(2 * roundRobin.outputTokensPerSecond);
    expect(flock.worstLoad).toBeLessThan(1.5);
    expect(flock.worstWork).toBeLessThan(1.5);
  }
}, 60_000);

test("a replica that vanishes moves only what it had, and one that joins only its share", async () => {
  const all = [0, 1, 2, 3, 4, 5, 6, 7];
  const workload = { ...SHARED_PREFIXES, requestsPerSecond: 16, seconds: 120 };
  const run = { workload, seed: 1, replicas: 8, policy: "flock" } as const;
  const few = all.slice(0, 7);
  const vanishing = await simulate({ ...run, changes: [{ atMs: 60_000, live: few }] });
  const before = homes(vanishing.placed, 30_000, 60_000);
  const orphans = [...before].filter(([, home]) => home === 7).map(([prefix]) => prefix);
  const alsoMoved = moved(before, homes(vanishing.placed, 60_000, 90_000)).filter(
    (prefix) => !orphans.includes(prefix),
  );
  expect(orphans.length).toBeGreaterThan(5);
  expect(alsoMoved.length).toBeLessThan(before.size * 0.1);
  const late = vanishing.placed.filter(({ atMs }) => atMs > 60_000);
  expect(late.some(({ replica }) => replica === 7)).toBe(false);

  const joining = await simulate({
    ...run,
    changes: [
      { atMs: 0, live: few },
      { atMs: 60_000, live: all },
    ],
  });
  const known = homes(joining.placed, 30_000, 60_000);
  const shifted = moved(known, homes(joining.placed, 90_000, 120_000));
  expect(shifted.length).toBeLessThan(known.size * (1 / 8 + 0.1));
});

test("a key with single short requests hardly notices one with fifty long ones", async () => {
  const four = await fairness(4);
  expect(four.besideP99Ms).toBeLessThan(2 * four.aloneP99Ms);
  const one = await fairness(1);
  expect(one.answers).toBeGreaterThan(20);
  expect(one.besideWorstMs).toBeLessThan(one.longestAnswerMs + 2 * one.aloneP99Ms);
});

test("a decision among 200 replicas and 10,000 known beginnings takes microseconds", () => {
  // `npm run bench -- --routing` prints what it is on a quiet machine: well below 20.
  expect(decisionCost().wholeUs).toBeLessThan(200);
});
