import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../cluster/process-identity.ts";
import { wait } from "../../core/wait.ts";
import type { UsageRecord } from "../../core/usage-record.ts";
import { settleAll } from "../../store/settle-journal.ts";
import { type Settler, startSettler } from "../../store/settler.ts";
import type { Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import { type JournalHealth, openUsageJournal, type UsageJournal } from "../../telemetry/usage-journal.ts";

export interface RecordParts {
  readonly store: Store;
  /** The journal's directory. */
  readonly dir: string;
  readonly fsync: boolean;
  readonly log: Log;
}

/** Usage on its way to the store: the journal that this process writes, and the thread that brings it there. */
export interface Records {
  append(record: UsageRecord): Promise<void>;
  health(): JournalHealth;
  readonly settler: Settler;
  /** The directory is somebody else's from now on; what is still to be written goes to a place of its own. */
  handOver(): Promise<void>;
  close(): Promise<void>;
}

const LOOK_MS = 1_000;
const OF_PROCESS = /^process-(\d+)$/;

/**
 * Usage of a process that was killed comes in first, before a quota is computed from the sums. Also of one that was just
 * serving its last answers after it had handed over.
 */
export async function settleLeftovers({ store, dir, log }: RecordParts): Promise<void> {
  await settleAll(store, dir, log);
  await settleFolders({ store, dir, log });
}

/** Of processes that ended without taking their last usage with them. */
async function settleFolders({ store, dir, log }: Pick<RecordParts, "store" | "dir" | "log">): Promise<void> {
  for (const name of folders(dir)) {
    const pid = Number(OF_PROCESS.exec(name)?.[1] ?? Number.NaN);
    if (!Number.isInteger(pid) || (pid !== process.pid && isAlive(pid))) continue;
    await settleAll(store, join(dir, name), log);
    rmSync(join(dir, name), { recursive: true, force: true });
  }
}

/** What these processes leave, which give their last answers beside this one, comes in once they have ended. */
async function settleAfter(pids: readonly number[], parts: RecordParts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await wait(LOOK_MS, signal);
    if (signal.aborted || pids.some(isAlive)) continue;
    // A database that is away is asked again.
    if (
      await settleFolders(parts).then(
        () => true,
        () => false,
      )
    )
      return;
  }
}

/** `earlier`: processes that still give answers. */
export function openRecords(parts: RecordParts, earlier: readonly number[] = []): Records {
  const { store, dir, fsync, log } = parts;
  const over = new AbortController();
  const following = earlier.length === 0 ? Promise.resolve() : settleAfter(earlier, parts, over.signal);
  const rest = async (): Promise<void> => {
    over.abort();
    await following;
  };
  const open = (place: string): { journal: UsageJournal; settler: Settler } => ({
    journal: openUsageJournal(place, { fsync, log }),
    settler: startSettler({ address: store.address, dir: place, log }),
  });
  let now = open(dir);
  const own = join(dir, `process-${process.pid}`);
  let handed = false;
  return {
    append: (record) => now.journal.append(record),
    health: () => now.journal.health(),
    settler: {
      poke: () => now.settler.poke(),
      settled: (signal) => now.settler.settled(signal),
      rebuildDay: (day, signal) => now.settler.rebuildDay(day, signal),
      health: () => now.settler.health(),
      stop: () => now.settler.stop(),
    },
    async handOver() {
      if (handed) return;
      handed = true;
      await rest();
      mkdirSync(own, { recursive: true, mode: 0o700 });
      const before = now;
      // The next leader deletes files that it has read and that are not the newest: these it does not look at.
      now = open(own);
      await before.journal.close();
      await before.settler.stop();
    },
    async close() {
      await rest();
      await now.journal.close();
      const settled = await now.settler.stop();
      if (handed && settled) rmSync(own, { recursive: true, force: true });
    },
  };
}

function folders(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}
