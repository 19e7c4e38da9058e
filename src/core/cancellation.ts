/** Tells when work is to stop. An `AbortSignal` is one. */
export interface CancelSignal {
  readonly aborted: boolean;
  addEventListener(type: "abort", heard: () => void, options?: { readonly once?: boolean }): void;
  removeEventListener(type: "abort", heard: () => void): void;
}

/**
 * An `AbortController` and its signal in one, for the path of every request: making the real ones and listening to them
 * costs microseconds (docs/benchmarks.md), and nearly no request is cancelled.
 */
export class Cancellation implements CancelSignal {
  #aborted = false;
  #first: (() => void) | null = null;
  /** Rarely there: mostly nobody or one listens. */
  #others: (() => void)[] | null = null;

  get aborted(): boolean {
    return this.#aborted;
  }

  /** Listeners hear it once, in the order in which they came. */
  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    const heard = this.#first;
    const others = this.#others ?? [];
    this.#first = null;
    this.#others = null;
    heard?.();
    for (const other of others) other();
  }

  addEventListener(_type: "abort", heard: () => void): void {
    if (this.#aborted) return;
    if (this.#first === null) this.#first = heard;
    else (this.#others ??= []).push(heard);
  }

  removeEventListener(_type: "abort", heard: () => void): void {
    if (this.#first === heard) this.#first = this.#others?.shift() ?? null;
    else this.#others = this.#others?.filter((other) => other !== heard) ?? null;
  }
}

/** The same as a signal of the platform, for `fetch` and its like. */
export function toAbortSignal(signal: CancelSignal): AbortSignal {
  if (signal instanceof AbortSignal) return signal;
  const controller = new AbortController();
  if (signal.aborted) controller.abort();
  else signal.addEventListener("abort", () => controller.abort(), { once: true });
  return controller.signal;
}
