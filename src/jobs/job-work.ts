import {
  findJob,
  type Job,
  type JobChange,
  type JobState,
  moveJob,
  saveCheckpoint,
  saveProgress,
} from "../store/jobs.ts";
import type { Log, Store } from "../store/store.ts";
import { mayPass, storeProblemOf } from "../store/store-problem.ts";
import type { JobKind } from "./job-kind.ts";
import { ProgressWriter } from "./job-progress.ts";

export interface JobWorkParts {
  readonly store: Store;
  readonly log: Log;
  /** After the store refused, between two attempts to go on. */
  readonly retryMs: number;
  /** A job's state or progress is another one. */
  readonly changed: (job: string) => void;
}

/** Runs jobs that were begun, keeps what they say of themselves, and how they end. */
export class JobWork {
  readonly #store: Store;
  readonly #log: Log;
  readonly #retryMs: number;
  readonly #changed: (job: string) => void;
  readonly #running = new Map<string, AbortController>();
  #stopping = false;
  #stopped = Promise.withResolvers<void>();

  constructor({ store, log, retryMs, changed }: JobWorkParts) {
    this.#store = store;
    this.#log = log;
    this.#retryMs = retryMs;
    this.#changed = changed;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** After `stop`: works again. */
  resume(): void {
    if (this.#stopping) this.#stopped = Promise.withResolvers();
    this.#stopping = false;
  }

  /** Tells running jobs to end; those that do go back to the queue with their checkpoint. */
  stop(): void {
    this.#stopping = true;
    this.#stopped.resolve();
    for (const abort of this.#running.values()) abort.abort(new Error("Flock is shutting down"));
  }

  /** No effect unless it runs here. */
  cancel(id: string): void {
    this.#running.get(id)?.abort(new Error("cancelled"));
  }

  /** Another leader may have asked for it, in the store. */
  async cancelWhereAsked(): Promise<void> {
    const look = async (id: string): Promise<void> => {
      if ((await findJob(this.#store.sql, id))?.cancelRequested === true) this.cancel(id);
    };
    await Promise.all([...this.#running.keys()].map(look));
  }

  /** False: it is in another state than `from`. */
  async move(id: string, from: JobState, to: JobChange): Promise<boolean> {
    const moved = await this.#store.write((tx) => moveJob(tx, id, from, to, this.#store.clock.now()));
    this.#changed(id);
    return moved;
  }

  /** Until it has ended, and its end is kept. */
  async run(kind: JobKind, job: Job): Promise<void> {
    const abort = new AbortController();
    this.#running.set(job.id, abort);
    const asked = await this.#insist(() => findJob(this.#store.sql, job.id));
    if (this.#stopping || asked?.cancelRequested === true) abort.abort();
    const progress = new ProgressWriter((value) => this.#saveProgress(job.id, value));
    let end: JobChange;
    let pauseMs = 0;
    try {
      await kind.run({
        input: job.input,
        resumeFrom: job.checkpoint,
        signal: abort.signal,
        progress: (done, total, message) => progress.report({ done, total, message }),
        checkpoint: async (data) => {
          await progress.flush();
          await this.#store.write((tx) => saveCheckpoint(tx, job.id, data));
        },
      });
      end = { state: "succeeded" };
    } catch (cause) {
      end = await this.#endOf(job, abort.signal, cause);
      if (end.state === "queued") pauseMs = this.#retryMs;
    }
    await progress.flush();
    this.#running.delete(job.id);
    await this.#insist(() => this.move(job.id, "running", end));
    if (pauseMs > 0) await this.#pause(pauseMs);
    if (end.state === "failed") this.#log.warn("a job failed", { job: job.id, kind: kind.kind, cause: end.error });
  }

  async #endOf(job: Job, signal: AbortSignal, cause: unknown): Promise<JobChange> {
    const seen = signal.aborted ? await this.#insist(() => findJob(this.#store.sql, job.id)) : null;
    if (seen?.cancelRequested === true) return { state: "cancelled" };
    // Neither an orderly stop nor a database that is away is the job's fault: it does not count as an attempt.
    if ((signal.aborted && this.#stopping) || this.#isAway(cause)) return { state: "queued", attempt: job.attempt - 1 };
    return { state: "failed", error: messageOf(cause) };
  }

  #isAway(cause: unknown): boolean {
    const problem = storeProblemOf(cause, this.#store.address);
    return problem !== null && mayPass(problem);
  }

  /** While the store is away tries until it takes it. Null: Flock stops before; the next start finds the job running and goes on. */
  async #insist<T>(work: () => Promise<T>): Promise<T | null> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await work();
      } catch (cause) {
        if (!this.#isAway(cause)) throw cause;
        if (failures === 0) this.#log.error("a job's state cannot be kept; trying again", { cause: messageOf(cause) });
        if (this.#stopping) return null;
        await this.#pause(this.#retryMs);
      }
    }
  }

  #pause(ms: number): Promise<unknown> {
    return Promise.race([Bun.sleep(ms), this.#stopped.promise]);
  }

  /** Progress is a courtesy: a store that refuses it does not fail the job. */
  async #saveProgress(id: string, progress: { done: number; total: number | null; message: string }): Promise<void> {
    try {
      await this.#store.write((tx) => saveProgress(tx, id, progress, this.#store.clock.now()));
      this.#changed(id);
    } catch (cause) {
      this.#log.warn("a job's progress could not be kept", { job: id, cause: messageOf(cause) });
    }
  }
}

/** One line: it is shown in lists. */
export function messageOf(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).replaceAll(/\s+/g, " ").slice(0, 500);
}
