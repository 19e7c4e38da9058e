/**
 * llama.cpp's attention on a CPU computes 64 rows at once: fewer cost three times as much a token, and one more costs as
 * much as 64 more.
 */
const TILE_TOKENS = 64;
/** One batch; beside a slice there must be room for those who write. */
const MOST_TILES = { alone: 8, beside: 7 } as const;
/** So long may a slice keep those who write from their next token. */
const BESIDE_MS = 50;
/** And so long a hang-up, or whoever comes next, where nobody else is there. */
const ALONE_MS = 250;
const FIRST_TILES = 2;
/** A slice that was fast by chance makes the next one at most this much longer. */
const MOST_GROWTH = 2;

/** How many tokens of a prompt are evaluated at once: as many as this machine does in the time that a slice may take. */
export class SliceSize {
  #msPerToken: number | null = null;

  /** `beside`: others are there. */
  tokens(beside: boolean): number {
    // One token goes through the model together with those of the others, and the rest after it.
    return this.#tiles(beside) * TILE_TOKENS + (beside ? 1 : 0);
  }

  /** What a slice took, together with what went through the model beside it. */
  took(tokens: number, ms: number): void {
    // A short rest says little of the speed.
    if (tokens < TILE_TOKENS) return;
    this.#msPerToken = Math.max(ms / tokens, (this.#msPerToken ?? 0) / MOST_GROWTH, Number.EPSILON);
  }

  #tiles(beside: boolean): number {
    if (this.#msPerToken === null) return FIRST_TILES;
    const fitting = Math.floor((beside ? BESIDE_MS : ALONE_MS) / this.#msPerToken / TILE_TOKENS);
    return Math.min(beside ? MOST_TILES.beside : MOST_TILES.alone, Math.max(1, fitting));
  }
}
