import { expect, test } from "bun:test";
import type { BatchItem, Token } from "node-llama-cpp";
import { gatheringBatches, shared } from "./batching.ts";

function item(tokens: number, place = 3): BatchItem {
  const evaluationPriority = place as BatchItem["evaluationPriority"];
  return { tokens: Array.from({ length: tokens }, () => 1 as Token), logits: [], evaluationPriority };
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

test("sequences stand in a batch by their numbers, whoever came first", () => {
  const items = [item(1, 2), item(300, 3), item(1, 0), item(1, 1)];
  const chosen = gatheringBatches({ sequencesBusy: 4, batches: 0 })({ items, size: 512 });
  expect(chosen.map((one) => items.indexOf(one.item))).toEqual([2, 3, 0, 1]);
  expect(chosen.map((one) => one.processAmount)).toEqual([1, 1, 1, 300]);
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
