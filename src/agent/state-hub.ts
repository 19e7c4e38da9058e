import { wait } from "../core/wait.ts";

/** A burst of changes (a child dies, backs off, starts) is told as one. */
const COALESCE_MS = 15;

/** Counts changes and wakes those who watch. A slow watcher misses steps, never the newest. */
export class StateHub {
  #version: number;
  #timer: ReturnType<typeof setTimeout> | null = null;
  readonly #waiting = new Set<() => void>();

  /** Starting at the clock makes the versions of a later agent higher than all of an earlier one. */
  constructor(nowMs: number) {
    this.#version = nowMs;
  }

  get version(): number {
    return this.#version;
  }

  changed(): void {
    this.#version++;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      for (const wake of this.#waiting) wake();
    }, COALESCE_MS);
  }

  /** Ends when the version is above `seen`, after the time, or with the signal. */
  async next(seen: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#version > seen && this.#timer === null) return;
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#waiting.add(wake);
    await wait(timeoutMs, AbortSignal.any([signal, woken.signal]));
    this.#waiting.delete(wake);
  }
}
