/** A small seeded generator: the same seed, the same run. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, but without, 1. */
  next(): number {
    return this.word() / 2 ** 32;
  }

  word(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** Time until the next event of a Poisson process. */
  interval(meanMs: number): number {
    return -Math.log(1 - this.next()) * meanMs;
  }

  bytes(length: number): Uint8Array {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let at = 0; at < words.length; at += 1) words[at] = this.word();
    return new Uint8Array(words.buffer, 0, length);
  }
}
