import type { BatchItem, CustomBatchingPrioritizationStrategy, PrioritizedBatchItem } from "node-llama-cpp";
import type { Counters } from "./counters.ts";

/** Turns of the microtask queue to wait for sequences that come back from their last token; about ten are needed. */
const MOST_TURNS = 64;

/**
 * Which tokens go into the next batch. The library begins it as soon as the last one is done, when the sequence that was
 * sampled last is not back yet: of four only three would ever go together. An empty batch is its way to wait a turn.
 */
export function gatheringBatches(
  counters: Pick<Counters, "sequencesBusy" | "batches">,
): CustomBatchingPrioritizationStrategy {
  let turns = 0;
  return ({ items, size }) => {
    if (items.length < counters.sequencesBusy && turns < MOST_TURNS) {
      turns++;
      return [];
    }
    turns = 0;
    counters.batches++;
    return shared(items, size);
  };
}

/** Who writes needs one place and gets it; what is left is shared by those who read their prompts. */
export function shared(items: readonly BatchItem[], size: number): PrioritizedBatchItem[] {
  const chosen: PrioritizedBatchItem[] = [];
  let left = size;
  for (const [index, item] of items.toSorted((a, b) => a.tokens.length - b.tokens.length).entries()) {
    const share = Math.ceil(left / (items.length - index));
    const processAmount = Math.min(item.tokens.length, share, left);
    if (processAmount === 0) break;
    chosen.push({ item, processAmount });
    left -= processAmount;
  }
  return chosen;
}
