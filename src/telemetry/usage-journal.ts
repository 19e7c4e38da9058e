import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, fdatasync, fsyncSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { UsageRecord } from "../core/usage-record.ts";
import { journalFileName, journalSeq, listJournalFiles } from "./journal-file.ts";

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

interface Waiting {
  readonly line: string;
  readonly done: () => void;
}

class FileJournal implements UsageJournal {
  readonly #dir: string;
  readonly #options: Required<JournalOptions>;
  #file = -1;
  #fileBytes = 0;
  #queue: Waiting[] = [];
  /** The rest of a write that the disk took only in part: it must come first, or a line would be torn. */
  #rest: Buffer | null = null;
  #restOf: Waiting[] = [];
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
    const line = `${JSON.stringify(record)}\n`;
    return new Promise((resolve) => {
      if (this.#closed || this.#pending() >= this.#options.maxPendingRecords) {
        this.#drop(record);
        resolve();
        return;
      }
      if (this.#problem === null) {
        this.#queue.push({ line, done: resolve });
        this.#schedule();
      } else {
        // A timer is running that tries again.
        this.#queue.push({ line, done: ignore });
        resolve();
      }
    });
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
    return this.#queue.length + this.#restOf.length;
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
    const batch = this.#rest === null ? this.#queue.splice(0, MAX_WRITE_RECORDS) : this.#restOf;
    if (batch.length === 0) return true;
    const bytes = this.#rest ?? Buffer.from(batch.map((waiting) => waiting.line).join(""));
    let written = 0;
    try {
      if (this.#file === -1) this.#openNext();
      while (written < bytes.length) written += writeSync(this.#file, bytes, written);
    } catch (cause) {
      this.#fileBytes += written;
      this.#rest = bytes.subarray(written);
      this.#restOf = batch.map((waiting) => ({ line: waiting.line, done: ignore }));
      this.#refused(cause, batch);
      return false;
    }
    this.#fileBytes += written;
    this.#rest = null;
    this.#restOf = [];
    this.#recovered();
    this.#settle(batch);
    return true;
  }

  #settle(batch: readonly Waiting[]): void {
    if (this.#options.fsync) {
      for (const waiting of batch) this.#unsynced.push(waiting.done);
      this.#syncing ??= this.#sync();
      return;
    }
    for (const waiting of batch) waiting.done();
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

  #refused(cause: unknown, batch: readonly Waiting[]): void {
    if (this.#problem === null) {
      this.#options.log.error("the usage journal cannot be written; records are kept in memory", {
        dir: this.#dir,
        cause: messageOf(cause),
      });
    }
    this.#problem = messageOf(cause);
    for (const waiting of batch) waiting.done();
    this.#queue = this.#queue.map((waiting) => {
      waiting.done();
      return { line: waiting.line, done: ignore };
    });
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
