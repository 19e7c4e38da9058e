import type { Token } from "node-llama-cpp";

/** What the pool looks at in a sequence of the library. */
export interface PooledSequence {
  /** How many tokens it holds. */
  readonly nextTokenIndex: number;
  compareContextTokens(tokens: Token[]): { firstDifferentIndex: number };
}

/** The part of a state that must be shared for the rest to be given up. */
const WORTH_KEEPING = 0.5;

interface Waiter<S> {
  readonly give: (sequence: S) => void;
}

/**
 * Hands out sequences, each to one request at a time. Who comes while all are busy waits in the order of arrival; who
 * gives up waiting leaves at once. Of several free ones a request gets that whose state shares the longest prefix with
 * its prompt, if that is at least half of it; else the one that has lain idle longest, so that a long conversation is not
 * lost to a short request that begins alike.
 */
export class SequencePool<S extends PooledSequence> {
  readonly size: number;
  readonly #free: S[];
  readonly #waiting: Waiter<S>[] = [];

  constructor(sequences: readonly S[]) {
    this.size = sequences.length;
    this.#free = [...sequences];
  }

  /** Rejects with the signal's reason when it fires first. Every sequence that came must go back by `release`. */
  async acquire(tokens: Token[], signal: AbortSignal): Promise<S> {
    signal.throwIfAborted();
    const free = this.#takeBest(tokens);
    if (free !== undefined) return free;
    const { promise, resolve, reject } = Promise.withResolvers<S>();
    const waiter: Waiter<S> = { give: resolve };
    const leave = (): void => {
      const place = this.#waiting.indexOf(waiter);
      // Not in the list any more: the sequence was given at the same moment, and its owner finds the signal fired.
      if (place === -1) return;
      this.#waiting.splice(place, 1);
      reject(signal.reason as Error);
    };
    this.#waiting.push(waiter);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  release(sequence: S): void {
    const next = this.#waiting.shift();
    if (next) next.give(sequence);
    else this.#free.push(sequence);
  }

  #takeBest(tokens: Token[]): S | undefined {
    // Free ones stand in the order of their release: the first is the one idle longest.
    let best = 0;
    let longest = 0;
    for (const [index, sequence] of this.#free.entries()) {
      const shared = sequence.compareContextTokens(tokens).firstDifferentIndex;
      if (shared <= longest || shared < sequence.nextTokenIndex * WORTH_KEEPING) continue;
      [best, longest] = [index, shared];
    }
    return this.#free.splice(best, 1)[0];
  }
}
