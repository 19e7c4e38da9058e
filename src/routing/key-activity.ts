/** How long a key that was seen may come again. */
const WINDOW_MS = 15 * 60_000;

/** Whether anybody else uses Flock just now. Remembers two keys, whatever their number. */
export class KeyActivity {
  #last = "";
  #lastMs = Number.NEGATIVE_INFINITY;
  #beforeMs = Number.NEGATIVE_INFINITY;

  saw(keyId: string, nowMs: number): void {
    if (keyId !== this.#last) {
      this.#beforeMs = this.#lastMs;
      this.#last = keyId;
    }
    this.#lastMs = nowMs;
  }

  /** Was another key than this one seen lately? */
  others(keyId: string, nowMs: number): boolean {
    return nowMs - (keyId === this.#last ? this.#beforeMs : this.#lastMs) < WINDOW_MS;
  }
}
