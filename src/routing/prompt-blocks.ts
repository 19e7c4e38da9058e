/** A prompt cut into blocks from its beginning; each hash covers everything up to the end of its block. */
export interface PromptBlocks {
  readonly hashes: readonly number[];
  /** Where each block ends, in bytes. */
  readonly ends: readonly number[];
  readonly bytes: number;
}

const FIRST_BLOCK_BYTES = 512;
/** After so many blocks they are twice as long: a long prompt needs few, and its length is still known to an eighth. */
const BLOCKS_OF_A_SIZE = 8;
/** Two prompts that are the same until here are the same. */
const MOST_BYTES = 8 * 1024 * 1024;

/**
 * Two prompts share as many leading hashes as they share whole blocks. What is left of the last block has no hash: it is
 * the part that changes from one turn to the next.
 */
export function promptBlocks(prompt: Uint8Array): PromptBlocks {
  const hashes: number[] = [];
  const ends: number[] = [];
  let size = FIRST_BLOCK_BYTES;
  let start = 0;
  let hash = 0;
  while (start + size <= prompt.byteLength && start < MOST_BYTES) {
    hash = Bun.hash.xxHash32(prompt.subarray(start, start + size), hash);
    start += size;
    hashes.push(hash);
    ends.push(start);
    if (hashes.length % BLOCKS_OF_A_SIZE === 0) size *= 2;
  }
  return { hashes, ends, bytes: prompt.byteLength };
}
