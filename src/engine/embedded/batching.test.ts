import { expect, test } from "bun:test";
import type { BatchItem, Token } from "node-llama-cpp";
import { gatheringBatches, shared } from "./batching.ts";

function item(tokens: number): BatchItem {
  return { tokens: Array.from({ length: tokens }, () => 1 as Token), logits: [], evaluationPriority: 3 };
}

test("who writes is in every batch, and prompts share the rest", () => {
  const [prompt, writer, other] = [item(400), item(1), item(300)];
  const amounts = new Map(shared([prompt, writer, other], 257).map((one) => [one.item, one.processAmount]));
  expect([...amounts.values()].reduce((sum, amount) => sum + amount, 0)).toBe(257);
  expect(amounts.get(writer)).toBe(1);
  expect(amounts.get(prompt)).toBe(128);
  expect(amounts.get(other)).toBe(128);
});

test("a batch is never larger than it may be", () => {
  const chosen = shared(
    Array.from({ length: 9 }, () => item(1)),
    4,
  );
  expect(chosen.map((one) => one.processAmount)).toEqual([1, 1, 1, 1]);
});

test("a batch waits a little for sequences that are busy elsewhere, and not for ever", () => {
  const counters = { sequencesBusy: 2, batches: 0 };
  const strategy = gatheringBatches(counters);
  const one = item(1);
  expect(strategy({ items: [one], size: 8 })).toEqual([]);
  expect(strategy({ items: [one, item(1)], size: 8 })).toHaveLength(2);
  let turns = 0;
  while (strategy({ items: [one], size: 8 }).length === 0) turns++;
  expect(turns).toBeLessThan(200);
  counters.sequencesBusy = 1;
  expect(strategy({ items: [one], size: 8 })).toEqual([{ item: one, processAmount: 1 }]);
  expect(counters.batches).toBe(3);
});
