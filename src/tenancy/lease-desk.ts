import type { Clock } from "../core/clock.ts";
import { newId } from "../core/id.ts";
import { allHolders, dropHolder, holderAt, keepHolder, sweepHolders } from "../store/limit-holders.ts";
import { changeSlice, idleMeters, sweepMeter } from "../store/limit-slices.ts";
import type { Store, Tx } from "../store/store.ts";

/** How long what a process has set aside counts after it was last heard of. */
export const LEASE_MS = 30_000;
/** A process stops giving out what it leased so long before others may. */
const MARGIN_MS = 5000;
const RENEW_MS = LEASE_MS / 3;
const SWEEP_MS = 600_000;
const SWEPT_METERS = 500;
const BATCH_JOBS = 200;

export interface Counter {
  readonly holder: string;
  /** The database's time. */
  readonly now: number;
}

interface Job {
  readonly meter: string;
  run(tx: Tx, at: Counter): Promise<void>;
  committed(): void;
  failed(cause: unknown): void;
}

/** Units that stand behind running and unsettled requests, by meter, and what is to be said of them anew. */
export type Claims = () => ReadonlyMap<string, number>;

/**
 * The one way of a process to the limits that it shares in a database. What is asked in one moment is one transaction,
 * in the order of the meters, so that processes wait for each other and never in a circle. Every transaction renews the
 * process' lease; one that came too late (it was suspended, or cut off from the database) begins anew, with what its
 * running requests have set aside and nothing else.
 */
export class LeaseDesk {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #home: string;
  readonly #claims: Claims;
  #holder = newId("hold");
  /** How far the database's time is ahead of ours. */
  #aheadMs = 0;
  /** Monotonic. */
  #leaseUntilMs = 0;
  #alone = true;
  #sweptMs = 0;
  #queue: Job[] = [];
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(store: Store, clock: Clock, home: string, claims: Claims) {
    this.#store = store;
    this.#clock = clock;
    this.#home = home;
    this.#claims = claims;
    this.#sweptMs = clock.monotonicMs();
  }

  /** Drops what processes held that are gone, and whose usage is in the store. */
  async open(isGone: (home: string) => boolean): Promise<void> {
    await this.#store.write(async (tx) => {
      for (const { id, home } of await allHolders(tx)) if (isGone(home)) await dropHolder(tx, id);
    }, "apart");
  }

  /** False: what was leased may be another's by now. */
  get live(): boolean {
    return this.#clock.monotonicMs() < this.#leaseUntilMs;
  }

  /** Who holds what is leased now; another one after a lease was lost. */
  get holder(): string {
    return this.#holder;
  }

  /** Nobody else held anything when this was last asked. */
  get alone(): boolean {
    return this.#alone;
  }

  /** The database's time. */
  get now(): number {
    return this.#clock.now() + this.#aheadMs;
  }

  /** Resolves once it is committed; rejects when the database does not take it. */
  ask<T>(meter: string, work: (tx: Tx, at: Counter) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new Error("the limits' desk is closed"));
        return;
      }
      let value: { readonly result: T } | null = null;
      this.#queue.push({
        meter,
        async run(tx, at) {
          value = { result: await work(tx, at) };
        },
        committed: () => value && resolve(value.result),
        failed: reject,
      });
      this.#running ??= this.#work();
    });
  }

  /** Whether another process holds anything, by its last word. */
  async hasOthers(): Promise<boolean> {
    const { sql, kind } = this.#store;
    return (await holderAt(sql, kind, this.#holder, this.#clock.now())).others > 0;
  }

  /** What has its time, though nothing is asked: renews the lease, and removes what nobody needs. */
  async tend(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#leaseUntilMs + MARGIN_MS - LEASE_MS + RENEW_MS) await this.ask("", () => Promise.resolve());
    if (nowMs - this.#sweptMs < SWEEP_MS) return;
    this.#sweptMs = nowMs;
    await this.#sweep();
  }

  async #sweep(): Promise<void> {
    const { sql, kind } = this.#store;
    const { now } = await holderAt(sql, kind, this.#holder, this.#clock.now());
    const before = now - SWEEP_MS;
    await this.#store.write((tx) => sweepHolders(tx, before), "apart");
    for (const meter of await idleMeters(sql, SWEPT_METERS)) {
      await this.#store.write((tx) => sweepMeter(tx, meter, before), "apart");
    }
  }

  /** Gives all back: once what was used is in the store. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#store.write((tx) => dropHolder(tx, this.#holder), "apart");
  }

  async #work(): Promise<void> {
    // What is asked in the same tick comes along.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const jobs = this.#queue
        .splice(0, BATCH_JOBS)
        .sort((a, b) => (a.meter < b.meter ? -1 : a.meter > b.meter ? 1 : 0));
      const startedMs = this.#clock.monotonicMs();
      try {
        const validMs = await this.#store.write((tx) => this.#transaction(tx, jobs), "apart");
        this.#leaseUntilMs = startedMs + validMs - MARGIN_MS;
        for (const job of jobs) job.committed();
      } catch (cause) {
        for (const job of jobs) job.failed(cause);
      }
    }
    // In this very step: who asks in the next one must find that nobody works on it.
    this.#running = null;
  }

  /** Gives how long the lease is valid. */
  async #transaction(tx: Tx, jobs: readonly Job[]): Promise<number> {
    const found = await holderAt(tx, this.#store.kind, this.#holder, this.#clock.now());
    const { now } = found;
    this.#alone = found.others === 0;
    let expiresAt = found.expiresAt ?? 0;
    const lost = expiresAt <= now;
    this.#aheadMs = now - this.#clock.now();
    // Always another name: what was asked for under the old one is part of the claims, and must not count twice.
    if (lost) this.#holder = newId("hold");
    const holder = this.#holder;
    if (expiresAt < now + LEASE_MS - RENEW_MS) {
      expiresAt = now + LEASE_MS;
      await keepHolder(tx, { id: holder, home: this.#home }, expiresAt);
    }
    if (lost) for (const [meter, units] of this.#claims()) await changeSlice(tx, holder, meter, units, 0);
    for (const job of jobs) await job.run(tx, { holder, now });
    return expiresAt - now;
  }
}
