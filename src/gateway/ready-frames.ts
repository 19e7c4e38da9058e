/** Whole frames of an answer that nobody has taken yet, and who waits for them. */
export class ReadyFrames {
  #frames: Uint8Array[] = [];
  #waiter: (() => void) | null = null;

  get empty(): boolean {
    return this.#frames.length === 0;
  }

  get awaited(): boolean {
    return this.#waiter !== null;
  }

  push(frames: Uint8Array): void {
    this.#frames.push(frames);
  }

  /** All of them in one piece; null: there are none. */
  take(): Uint8Array | null {
    const [first] = this.#frames;
    if (first === undefined) return null;
    const all = this.#frames.length === 1 ? first : Buffer.concat(this.#frames);
    this.#frames = [];
    return all;
  }

  clear(): void {
    this.#frames = [];
  }

  /** Resolves at the next `wake`. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiter = resolve;
    });
  }

  wake(): void {
    this.#waiter?.();
    this.#waiter = null;
  }
}
