import { expect, test } from "bun:test";
import fc from "fast-check";
import { Detours } from "./detours.ts";
import { ManualClock, replicaOf, routerRig } from "./fixtures/router-rig.ts";
import { RetryBudget } from "./retry-budget.ts";

const any = { fits: (): boolean => true };

test("a chain's next model is the first that is served, fits and was not asked", () => {
  const rig = routerRig({
    replicas: [replicaOf("b", { model: "b" }), replicaOf("c", { model: "c", contextTokens: 99 })],
  });
  const detours = new Detours(rig.board, 0, () => 0);
  detours.setChains(new Map([["a", ["absent", "b", "c"]]]));
  expect(detours.next("a", new Set(["a"]), any)).toBe("b");
  expect(detours.next("a", new Set(["a", "b"]), any)).toBe("c");
  expect(detours.next("a", new Set(["a", "b"]), { fits: ({ contextTokens }) => contextTokens > 100 })).toBeNull();
  expect(detours.next("b", new Set(["b"]), any)).toBeNull();
});

test("a model whose p95 is over the limit is spared, and tried again a minute later", () => {
  const clock = new ManualClock();
  const rig = routerRig({ replicas: [replicaOf("b", { model: "b" })] });
  const detours = new Detours(rig.board, 2_000, () => clock.nowMs());
  detours.setChains(new Map([["a", ["b"]]]));
  for (let sample = 0; sample < 7; sample += 1) detours.took("a", 5_000);
  expect(detours.quicker("a", any)).toBeNull();
  detours.took("a", 5_000);
  expect(detours.quicker("a", any)).toBe("b");
  expect(detours.quicker("a", { fits: () => false })).toBeNull();
  for (let sample = 0; sample < 8; sample += 1) detours.took("b", 9_000);
  expect(detours.quicker("a", any)).toBeNull();
  clock.pass(61_000);
  expect(detours.quicker("a", any)).toBeNull();
});

test("retries are a fifth of the requests and a small reserve, however they come", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ requests: fc.nat(50), tries: fc.nat(50) }), { maxLength: 50 }), (rounds) => {
      const budget = new RetryBudget(() => 0);
      let requests = 0;
      let retries = 0;
      for (const round of rounds) {
        for (let request = 0; request < round.requests; request += 1) budget.earn();
        requests += round.requests;
        for (let attempt = 0; attempt < round.tries; attempt += 1) if (budget.spend()) retries += 1;
        expect(retries).toBeLessThanOrEqual(requests * 0.2 + 20 + 1e-6);
      }
    }),
  );
});

test("the reserve of retries comes back with time", () => {
  const clock = new ManualClock();
  const budget = new RetryBudget(() => clock.nowMs());
  let spent = 0;
  while (budget.spend()) spent += 1;
  expect(spent).toBe(20);
  clock.pass(2_000);
  expect([budget.spend(), budget.spend(), budget.spend(), budget.spend(), budget.spend()]).toEqual([
    true,
    true,
    true,
    true,
    false,
  ]);
});
