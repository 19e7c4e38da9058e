import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, fdatasync, fsyncSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { UsageRecord } from "../core/usage-record.ts";
import { journalFileName, journalSeq, listJournalFiles } from "./journal-file.ts";
import { RunWriter } from "./journal-line.ts";

const ROLL_BYTES = 16 * 1024 * 1024;
const MAX_PENDING_RECORDS = 100_000;
/** What one write may hold the event loop for, while a backlog is worked off. */
const MAX_WRITE_RECORDS = 2000;
const RETRY_MS = 1000;

export interface JournalLog {
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface JournalOptions {
  /** True: `append` waits for the disk, so that a record also survives a power cut. */
  readonly fsync: boolean;
  readonly log: JournalLog;
  readonly rollBytes?: number;
  readonly retryMs?: number;
  readonly maxPendingRecords?: number;
}

export interface JournalHealth {
  /** False while the disk refuses writes. */
  readonly ok: boolean;
  /** Records in memory that are not in a file yet. */
  readonly pending: number;
  /** Records lost because the disk refused for too long. */
  readonly dropped: number;
  readonly problem: string | null;
}

export interface UsageJournal {
  /**
   * Resolves when the record is in the file: from then on it survives the death of this process. Records of one tick
   * share one write. Never rejects. While the disk refuses (see `health`) it resolves with the record kept in memory:
   * a full disk must not hold back answers.
   */
  append(record: UsageRecord): Promise<void>;
  health(): JournalHealth;
  /** Writes what is left, as far as the disk takes it, and closes the file. */
  close(): Promise<void>;
}

/** Opens a new file in `dir` and makes the directory when needed. Throws the file system's error when it cannot. */
export function openUsageJournal(dir: string, options: JournalOptions): UsageJournal {
  return new FileJournal(dir, options);
}

/** All records of one tick wait for the same thing. */
type Tick = PromiseWithResolvers<void>;

class FileJournal implements UsageJournal {
  readonly #dir: string;
  readonly #options: Required<JournalOptions>;
  readonly #writer = new RunWriter();
  #file = -1;
  #fileBytes = 0;
  #queue: UsageRecord[] = [];
  /** What waits for the queue to be written. */
  #tick: Tick | null = null;
  /** The rest of a write that the disk took only in part: it must come first, or a line would be torn. */
  #rest: Buffer | null = null;
  #restRecords = 0;
  #scheduled = false;
  #syncing: Promise<void> | null = null;
  #unsynced: (() => void)[] = [];
  #retry: ReturnType<typeof setTimeout> | null = null;
  #problem: string | null = null;
  #syncProblem: string | null = null;
  #dropped = 0;
  #closed = false;

  constructor(dir: string, options: JournalOptions) {
    this.#dir = dir;
    this.#options = { rollBytes: ROLL_BYTES, retryMs: RETRY_MS, maxPendingRecords: MAX_PENDING_RECORDS, ...options };
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.#openNext();
  }

  append(record: UsageRecord): Promise<void> {
    if (this.#closed || this.#pending() >= this.#options.maxPendingRecords) {
      this.#drop(record);
      return Promise.resolve();
    }
    this.#queue.push(record);
    // While the disk refuses, a timer is running that tries again.
    if (this.#problem !== null) return Promise.resolve();
    this.#schedule();
    this.#tick ??= Promise.withResolvers<void>();
    return this.#tick.promise;
  }

  health(): JournalHealth {
    return {
      ok: this.#problem === null && this.#syncProblem === null && this.#dropped === 0,
      pending: this.#pending(),
      dropped: this.#dropped,
      problem:
        this.#problem ?? this.#syncProblem ?? (this.#dropped > 0 ? `${this.#dropped} usage records were lost` : null),
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    while (this.#pending() > 0 && this.#flush());
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (this.#pending() > 0) {
      this.#options.log.error("usage records were lost: the disk did not take them", { records: this.#pending() });
    }
    await this.#syncing;
    if (this.#file !== -1) closeSync(this.#file);
    this.#file = -1;
  }

  #pending(): number {
    return this.#queue.length + this.#restRecords;
  }

  #schedule(): void {
    if (this.#scheduled || this.#retry !== null) return;
    this.#scheduled = true;
    // After the tick's I/O callbacks: all requests that end in one tick share a write.
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#closed && this.#flush() && this.#pending() > 0) this.#schedule();
    });
  }

  /** One write. False when the disk refused; then a timer tries again. */
  #flush(): boolean {
    const batch = this.#rest === null ? this.#nextBatch() : [];
    if (batch.length === 0 && this.#rest === null) return true;
    const bytes = this.#rest ?? Buffer.from(this.#writer.encode(batch));
    let written = 0;
    try {
      if (this.#file === -1) this.#openNext();
      while (written < bytes.length) written += writeSync(this.#file, bytes, written);
    } catch (cause) {
      this.#fileBytes += written;
      this.#rest = bytes.subarray(written);
      this.#restRecords += batch.length;
      this.#refused(cause);
      return false;
    }
    this.#fileBytes += written;
    this.#rest = null;
    this.#restRecords = 0;
    this.#recovered();
    this.#settle();
    return true;
  }

  #nextBatch(): UsageRecord[] {
    if (this.#queue.length > MAX_WRITE_RECORDS) return this.#queue.splice(0, MAX_WRITE_RECORDS);
    const batch = this.#queue;
    this.#queue = [];
    return batch;
  }

  /** After a write. What waits for records that are still queued goes on waiting. */
  #settle(): void {
    const tick = this.#queue.length === 0 ? this.#tick : null;
    if (tick !== null) this.#tick = null;
    if (this.#options.fsync) {
      this.#unsynced.push(tick === null ? ignore : tick.resolve);
      this.#syncing ??= this.#sync();
      return;
    }
    tick?.resolve();
    this.#rollWhenFull();
  }

  /** Whoever was written while a sync was under way waits for the next one. */
  async #sync(): Promise<void> {
    while (this.#unsynced.length > 0) {
      const batch = this.#unsynced.splice(0);
      await new Promise<void>((resolve) => {
        fdatasync(this.#file, (cause) => {
          this.#syncProblem = cause ? cause.message : null;
          if (cause) this.#options.log.error("the usage journal could not be synced", { cause: cause.message });
          resolve();
        });
      });
      for (const done of batch) done();
      this.#rollWhenFull();
    }
    this.#syncing = null;
  }

  #rollWhenFull(): void {
    if (this.#fileBytes < this.#options.rollBytes || this.#unsynced.length > 0 || this.#closed) return;
    const old = this.#file;
    try {
      this.#openNext();
    } catch (cause) {
      // The old file still works: go on with it and try again after the next write.
      this.#options.log.warn("the usage journal could not start a new file", { cause: messageOf(cause) });
      return;
    }
    closeSync(old);
  }

  /** Always a new file: an old one may end in a torn line. Names grow, also across restarts and deleted files. */
  #openNext(): void {
    const newest = journalSeq(listJournalFiles(this.#dir).at(-1) ?? "");
    const mark = randomBytes(4).toString("hex");
    const path = join(this.#dir, journalFileName(Math.max(newest + 1, Date.now()), mark));
    const file = openSync(path, "ax", 0o600);
    chmodSync(path, 0o600);
    if (this.#options.fsync) syncDirectory(this.#dir);
    this.#file = file;
    this.#fileBytes = 0;
  }

  #refused(cause: unknown): void {
    if (this.#problem === null) {
      this.#options.log.error("the usage journal cannot be written; records are kept in memory", {
        dir: this.#dir,
        cause: messageOf(cause),
      });
    }
    this.#problem = messageOf(cause);
    this.#tick?.resolve();
    this.#tick = null;
    if (this.#closed) return;
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      if (this.#flush() && this.#pending() > 0) this.#schedule();
    }, this.#options.retryMs);
  }

  #recovered(): void {
    if (this.#problem === null) return;
    this.#problem = null;
    this.#options.log.warn("the usage journal can be written again", { dropped: this.#dropped });
  }

  #drop(record: UsageRecord): void {
    this.#dropped += 1;
    // Each tenfold, not each record: the disk is full already.
    if (Number.isInteger(Math.log10(this.#dropped))) {
      this.#options.log.error("a usage record was lost", { requestId: record.requestId, dropped: this.#dropped });
    }
  }
}

function ignore(): void {}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function syncDirectory(dir: string): void {
  const handle = openSync(dir, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
