import type {
  BatchItem,
  CustomBatchingPrioritizationStrategy,
  EvaluationPriority,
  LlamaContextSequence,
  PrioritizedBatchItem,
} from "node-llama-cpp";
import type { Counters } from "./counters.ts";

/** Turns of the microtask queue to wait for sequences that come back from their last token; about ten are needed. */
const MOST_TURNS = 64;

const NUMBERS = new WeakMap<LlamaContextSequence, number>();

/** All sequences of a context, in the order in which they were made: that is how llama.cpp numbers them. */
export function numberSequences(sequences: readonly LlamaContextSequence[]): void {
  for (const [number, sequence] of sequences.entries()) NUMBERS.set(sequence, number);
}

/** To be given with everything that a sequence evaluates: the only thing of it that a batching strategy gets to see. */
export function batchPlace(sequence: LlamaContextSequence): EvaluationPriority {
  return (NUMBERS.get(sequence) ?? 0) as EvaluationPriority;
}

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
    return byNumber(shared(items, size));
  };
}

/**
 * Each sequence has a cache of its own, and llama.cpp takes only neighbours through the model together: sequences whose
 * numbers follow on one another in the batch. Four in reverse order are four passes over the weights.
 */
function byNumber(chosen: readonly PrioritizedBatchItem[]): PrioritizedBatchItem[] {
  return chosen.toSorted((a, b) => a.item.evaluationPriority - b.item.evaluationPriority);
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
