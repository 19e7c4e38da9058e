import type { JobProgress } from "../store/jobs.ts";

const MIN_GAP_MS = 100;

/** Thins out a job's progress: about ten a second are saved, the newest always, in order. */
export class ProgressWriter {
  readonly #save: (progress: JobProgress) => Promise<void>;
  #latest: JobProgress | null = null;
  #running: Promise<void> | null = null;
  #flushing = false;

  /** `save` must not reject. */
  constructor(save: (progress: JobProgress) => Promise<void>) {
    this.#save = save;
  }

  report(progress: JobProgress): void {
    this.#latest = progress;
    this.#run();
  }

  /** Resolves when the newest progress is saved. */
  async flush(): Promise<void> {
    this.#flushing = true;
    while (this.#running !== null) await this.#running;
    this.#flushing = false;
  }

  #run(): void {
    if (this.#running !== null || this.#latest === null) return;
    this.#running = this.#drain().then(() => {
      this.#running = null;
      this.#run();
    });
  }

  async #drain(): Promise<void> {
    while (this.#latest !== null) {
      const progress = this.#latest;
      this.#latest = null;
      await this.#save(progress);
      if (!this.#flushing) await Bun.sleep(MIN_GAP_MS);
    }
  }
}
