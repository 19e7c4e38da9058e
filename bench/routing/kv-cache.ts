/** What is free lies here in the order in which it was last used. */
interface Freed {
  /** Null: what nobody will ask for again. */
  readonly segment: Segment | null;
  blocks: number;
  readonly use: number;
}

/** The beginning of prompts that share it, as far as it is in the cache. */
interface Segment {
  blocks: number;
  users: number;
  lastUse: number;
}

/**
 * A cache of keys and values in blocks. Blocks in use stay; of the others what was not used for the longest time goes first,
 * and of a beginning its end.
 */
export class KvCache {
  readonly #total: number;
  readonly #segments = new Map<number, Segment>();
  #freed: Freed[] = [];
  #freedFrom = 0;
  #inUse = 0;
  #cached = 0;
  #uses = 0;

  constructor(totalBlocks: number) {
    this.#total = totalBlocks;
  }

  /** Blocks of the shared beginning that are there. */
  has(prefix: number): number {
    return this.#segments.get(prefix)?.blocks ?? 0;
  }

  /** Room for a request: its shared beginning and what is its own. False: it has to wait. */
  admit(prefix: number, prefixBlocks: number, ownBlocks: number): boolean {
    const segment = this.#segments.get(prefix) ?? { blocks: 0, users: 0, lastUse: 0 };
    const idle = segment.users === 0 ? segment.blocks : 0;
    const missing = prefixBlocks - segment.blocks;
    if (this.#inUse + idle + missing + ownBlocks > this.#total) return false;
    if (segment.users === 0) {
      this.#inUse += segment.blocks;
      this.#cached -= segment.blocks;
    }
    segment.users += 1;
    this.#segments.set(prefix, segment);
    this.#evict(missing + ownBlocks);
    this.#inUse += missing + ownBlocks;
    // Whoever comes while it is being computed finds it: it waits behind this request for the same engine.
    segment.blocks = prefixBlocks;
    return true;
  }

  release(prefix: number, ownBlocks: number): void {
    this.#uses += 1;
    this.#inUse -= ownBlocks;
    this.#free(null, ownBlocks);
    const segment = this.#segments.get(prefix);
    if (segment === undefined) return;
    segment.users -= 1;
    segment.lastUse = this.#uses;
    if (segment.users > 0) return;
    this.#inUse -= segment.blocks;
    this.#free(segment, segment.blocks);
  }

  #free(segment: Segment | null, blocks: number): void {
    this.#cached += blocks;
    this.#freed.push({ segment, blocks, use: this.#uses });
  }

  #evict(wanted: number): void {
    let missing = wanted - (this.#total - this.#inUse - this.#cached);
    while (missing > 0) {
      const oldest = this.#freed[this.#freedFrom];
      if (oldest === undefined) return;
      const { segment } = oldest;
      const stale = segment !== null && (segment.users > 0 || segment.lastUse !== oldest.use);
      const there = stale ? 0 : (segment?.blocks ?? oldest.blocks);
      const taken = Math.min(there, missing);
      missing -= taken;
      this.#cached -= taken;
      if (segment !== null) segment.blocks -= taken;
      oldest.blocks = there - taken;
      if (oldest.blocks === 0 || stale) this.#freedFrom += 1;
    }
    if (this.#freedFrom < 4096) return;
    this.#freed = this.#freed.slice(this.#freedFrom);
    this.#freedFrom = 0;
  }
}
