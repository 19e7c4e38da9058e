/** What runs on this node for its leader, by engine: told with each heartbeat, and waited for at the end. */
export class InFlight {
  readonly #byEngine = new Map<string, number>();
  #stopping = false;
  #whenEmpty: (() => void) | null = null;

  /** Null: this node takes nothing new. */
  begin(engine: string): (() => void) | null {
    if (this.#stopping) return null;
    this.#byEngine.set(engine, this.of(engine) + 1);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#byEngine.set(engine, this.of(engine) - 1);
      if (this.total === 0) this.#whenEmpty?.();
    };
  }

  of(engine: string): number {
    return this.#byEngine.get(engine) ?? 0;
  }

  get total(): number {
    return [...this.#byEngine.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Takes nothing new from now on; ends when nothing runs any more, or the signal fires. */
  drain(signal: AbortSignal): Promise<void> {
    this.#stopping = true;
    return new Promise((resolve) => {
      this.#whenEmpty = resolve;
      if (this.total === 0 || signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}
