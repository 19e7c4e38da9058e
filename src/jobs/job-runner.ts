import { newId } from "../core/id.ts";
import { err, ok, type Result } from "../core/result.ts";
import { audited, auditWith } from "../store/audited.ts";
import {
  findJob,
  insertJob,
  isEndState,
  type Job,
  type JobChange,
  type JobEvent,
  jobEventsAfter,
  jobsInState,
  listJobs,
  moveJob,
  nextQueuedJob,
  requestCancel,
  tellJobsLeader,
} from "../store/jobs.ts";
import type { Log, Store, Tx } from "../store/store.ts";
import { ChangeSignal } from "./change-signal.ts";
import type { JobKind } from "./job-kind.ts";
import { JobWork, messageOf } from "./job-work.ts";

const MAX_ATTEMPTS = 3;
/** After the store refused, between two attempts to go on. */
const RETRY_MS = 5000;
/** What another leader does to a job is seen within this. */
const LOOK_MS = 1000;

export type JobProblem =
  | { readonly kind: "not_found"; readonly what: string; readonly mend: string }
  | { readonly kind: "conflict"; readonly message: string; readonly mend: string }
  | { readonly kind: "invalid_request"; readonly field: string | null; readonly message: string };

export interface JobRunnerDeps {
  readonly store: Store;
  readonly log: Log;
  readonly kinds: readonly JobKind[];
  /** This leader among several on one database; "": there is one. Of their jobs each runs its own. */
  readonly leader?: string;
  readonly retryMs?: number;
}

/** Runs long operations: one at a time of each kind, oldest first. Jobs live in the store and outlive the process. */
export class JobRunner {
  readonly #store: Store;
  readonly #log: Log;
  readonly #kinds: ReadonlyMap<string, JobKind>;
  readonly #changes = new ChangeSignal();
  readonly #work: JobWork;
  readonly #pumps = new Map<string, Promise<void>>();
  /** Kinds to look at once more when their pump ends. */
  readonly #again = new Set<string>();
  readonly #retryMs: number;
  readonly #leader: string;
  /** Before the start has looked at what an earlier process left, a job that runs would look like one of those. */
  #started = false;
  readonly #left = new AbortController();

  constructor(deps: JobRunnerDeps) {
    this.#retryMs = deps.retryMs ?? RETRY_MS;
    this.#leader = deps.leader ?? "";
    this.#store = deps.store;
    this.#log = deps.log;
    this.#kinds = new Map(deps.kinds.map((kind) => [kind.kind, kind]));
    const { store, log } = deps;
    this.#work = new JobWork({ store, log, retryMs: this.#retryMs, changed: (job) => this.#changes.notify(job) });
  }

  /** Takes up what an earlier process left: jobs that were running go on from their checkpoint, the third time they fail. */
  async start(): Promise<void> {
    this.#work.resume();
    for (const job of await jobsInState(this.#store.sql, "running", this.#leader)) {
      await this.#work.move(job.id, "running", this.#afterCrash(job));
    }
    this.#started = true;
    const waiting = await jobsInState(this.#store.sql, "queued", this.#leader);
    for (const { id, kind } of waiting.filter(({ kind: one }) => !this.#kinds.has(one))) {
      const mend = `flock job cancel ${id}, or another version: flock update`;
      this.#log.warn("a job waits: this version does not know its kind", { job: id, kind, mend });
    }
    for (const kind of this.#kinds.keys()) this.#pump(kind);
  }

  /** After `stop`: as `start`, as soon as the store is there. */
  startAgain(): void {
    this.start().catch((cause: unknown) => {
      this.#log.error("jobs cannot be run; trying again", { cause: messageOf(cause) });
      setTimeout(() => {
        if (!this.#work.stopping) this.startAgain();
      }, this.#retryMs).unref();
    });
  }

  /** Another leader queued something, or asked for a cancellation. */
  look(): void {
    for (const kind of this.#kinds.keys()) this.#pump(kind);
    this.#work.cancelWhereAsked().catch((cause: unknown) => {
      this.#log.warn("whether a job was cancelled cannot be read", { cause: messageOf(cause) });
    });
  }

  /** `leader`: another one that is to run it; else this one. */
  async enqueue(
    kind: string,
    input: unknown,
    actor: string,
    leader: string = this.#leader,
  ): Promise<Result<Job, JobProblem>> {
    const checked = this.#check(kind, input);
    if (!checked.ok) return checked;
    const queued = await this.#store.write((tx) => this.enqueueWith(tx, kind, input, actor, leader));
    this.#pump(kind);
    return ok(queued);
  }

  /**
   * Queues a job in the transaction of what it belongs to, so that neither is there without the other. Call `look` once that
   * is through. The input must be what the kind takes.
   */
  async enqueueWith(tx: Tx, kind: string, input: unknown, actor: string, leader: string = this.#leader): Promise<Job> {
    const job: Job = {
      id: newId("job"),
      kind,
      state: "queued",
      input,
      actor,
      leader,
      attempt: 0,
      progress: null,
      checkpoint: null,
      error: null,
      cancelRequested: false,
      createdAt: this.#store.clock.now(),
      startedAt: null,
      finishedAt: null,
    };
    await insertJob(tx, job);
    if (!this.#isOwn(job)) await tellJobsLeader(tx);
    const change = { target: job.id, before: null, after: { kind, input } };
    await auditWith(tx, this.#store.clock, { actor, action: "job.enqueue" }, change);
    return job;
  }

  get(id: string): Promise<Job | null> {
    return findJob(this.#store.sql, id);
  }

  /** Newest first. */
  list(limit: number): Promise<Job[]> {
    return listJobs(this.#store.sql, limit);
  }

  /** A waiting job is cancelled at once; a running one is told to stop and given as it is then. */
  async cancel(id: string, actor: string): Promise<Result<Job, JobProblem>> {
    const now = this.#store.clock.now();
    const result = await audited<Job, JobProblem>(this.#store, { actor, action: "job.cancel" }, async (tx) => {
      const job = await findJob(tx, id);
      if (job === null) return err({ kind: "not_found", what: `job ${id}`, mend: "flock job ls" });
      if (isEndState(job.state)) {
        const message = `job ${id} has ${job.state === "cancelled" ? "been cancelled" : job.state} already`;
        return err({ kind: "conflict", message, mend: `flock job show ${id}` });
      }
      await requestCancel(tx, id);
      if (!this.#isOwn(job)) await tellJobsLeader(tx);
      if (job.state === "queued") await moveJob(tx, id, "queued", { state: "cancelled" }, now);
      const after = (await findJob(tx, id)) ?? job;
      return ok({ target: id, before: { state: job.state }, after: { state: after.state }, value: after });
    });
    if (!result.ok) return result;
    this.#changes.notify(id);
    this.#work.cancel(id);
    return result;
  }

  /**
   * Kept events after `afterSeq`, then live ones. Ends behind the event of the end state, when `signal` aborts, or when this
   * leader leaves: who follows asks the next one.
   */
  async *events(id: string, afterSeq: number, signal: AbortSignal): AsyncIterable<JobEvent> {
    let last = afterSeq;
    const over = AbortSignal.any([signal, this.#left.signal]);
    while (!over.aborted) {
      const waiting = new AbortController();
      const changed = this.#changes.next(id, AbortSignal.any([over, waiting.signal]));
      try {
        for (const event of await jobEventsAfter(this.#store.sql, id, last)) {
          last = event.seq;
          yield event;
          if (isEndState(event.state)) return;
        }
        const job = await findJob(this.#store.sql, id);
        // Already ended, and its last event was asked for no more.
        if (job === null || (isEndState(job.state) && (await this.#caughtUp(id, last)))) return;
        // What another leader does nobody notifies here.
        await (job !== null && this.#isOwn(job) ? changed : Promise.race([changed, Bun.sleep(LOOK_MS)]));
      } finally {
        waiting.abort();
      }
    }
  }

  /** Lets go of those who follow jobs: their streams would hold up the end of this process, and what another one does is not told here. */
  leave(): void {
    this.#left.abort();
  }

  /** Tells running jobs to stop; they go on from their checkpoint at the next start, of this runner or another. */
  async stop(): Promise<void> {
    this.#started = false;
    this.#work.stop();
    await Promise.all(this.#pumps.values());
  }

  #check(kind: string, input: unknown): Result<void, JobProblem> {
    const known = this.#kinds.get(kind);
    if (known === undefined) return err(invalid("kind", `there is no job kind ${JSON.stringify(kind)}`));
    const checked = known.check(input);
    return checked.ok ? ok(undefined) : err(invalid("input", checked.error));
  }

  #isOwn({ leader }: Job): boolean {
    return leader === "" || leader === this.#leader;
  }

  async #caughtUp(id: string, seq: number): Promise<boolean> {
    return (await jobEventsAfter(this.#store.sql, id, seq)).length === 0;
  }

  #afterCrash(job: Job): JobChange {
    if (job.cancelRequested) return { state: "cancelled" };
    if (job.attempt < MAX_ATTEMPTS) return { state: "queued" };
    return { state: "failed", error: `Flock ended ${job.attempt} times while it ran; it is not tried again` };
  }

  #pump(kind: string): void {
    if (!this.#started || this.#work.stopping) return;
    if (this.#pumps.has(kind)) {
      this.#again.add(kind);
      return;
    }
    this.#again.delete(kind);
    this.#pumps.set(kind, this.#runAll(kind));
  }

  async #runAll(kind: string): Promise<void> {
    let retryMs = 0;
    try {
      while (!this.#work.stopping && (await this.#runNext(kind)));
    } catch (cause) {
      this.#log.error("jobs cannot be run; trying again", { kind, cause: messageOf(cause) });
      retryMs = this.#retryMs;
      this.#again.add(kind);
    }
    this.#pumps.delete(kind);
    // One may have been queued between the last look and now.
    if (this.#again.has(kind)) setTimeout(() => this.#pump(kind), retryMs).unref();
  }

  /** False when nothing waits. */
  async #runNext(kind: string): Promise<boolean> {
    const known = this.#kinds.get(kind);
    const job = known === undefined ? null : await nextQueuedJob(this.#store.sql, kind, this.#leader);
    if (known === undefined || job === null) return false;
    const attempt = job.attempt + 1;
    const begun = await this.#work.move(job.id, "queued", { state: "running", attempt });
    if (begun) await this.#work.run(known, { ...job, attempt });
    return true;
  }
}

function invalid(field: string, message: string): JobProblem {
  return { kind: "invalid_request", field, message: `${field}: ${message}` };
}
