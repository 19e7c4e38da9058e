/**
 * Cuts an answer at the first stop string, wherever the borders between its pieces lie. Text that may be the start of a
 * stop string is held back until that is decided, so no part of one ever gets out.
 */
export class StopFilter {
  readonly #stops: readonly string[];
  #held = "";
  /** The stop string that was found; nothing may be pushed after. */
  hit: string | null = null;

  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** The text that is free to go out. */
  push(text: string): string {
    const joined = this.#held + text;
    let cut = joined.length;
    for (const stop of this.#stops) {
      const at = joined.indexOf(stop);
      if (at === -1 || at >= cut) continue;
      cut = at;
      this.hit = stop;
    }
    if (this.hit !== null) {
      this.#held = "";
      return joined.slice(0, cut);
    }
    const keep = this.#heldBack(joined);
    this.#held = joined.slice(joined.length - keep);
    return joined.slice(0, joined.length - keep);
  }

  /** The answer is over without a stop string: what was held back is plain text. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  #heldBack(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
