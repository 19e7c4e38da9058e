import { rmSync } from "node:fs";
import { join } from "node:path";
import type { UsageRecord } from "../core/usage-record.ts";
import { scanJournal } from "./journal-reader.ts";
import { forgetJournalFiles, journalPositions, moveJournalPosition } from "./journal-position.ts";
import { markUsed } from "./keys.ts";
import { addToRollups } from "./rollups.ts";
import { storable } from "./storable.ts";
import type { Db, Log } from "./store.ts";
import { insertUsage } from "./usage.ts";

const BATCH_RECORDS = 4000;

export interface Settled {
  /** Rows that were not in the store before. */
  readonly imported: number;
  /** Where the journal was read up to; null: there was nothing to read. */
  readonly position: { readonly file: string; readonly byteOffset: number } | null;
}

/**
 * Brings the journal's next lines, 4,000 at most, into `usage` and both rollups, in one transaction with the position.
 * Harmless to repeat: a request that is in the store already counts nowhere again. Files that are wholly in the store
 * are deleted, the newest one never. Throws what the database throws; then nothing has changed.
 */
export async function settleOnce(db: Db, dir: string, log: Log): Promise<Settled> {
  const positions = await journalPositions(db.sql);
  const { batch, finished } = scanJournal(dir, positions, BATCH_RECORDS);
  await removeFinished(db, dir, finished);
  if (batch === null) return { imported: 0, position: null };
  if (batch.badLines > 0) {
    log.warn("passed over lines of the usage journal that are not whole records", {
      file: batch.file,
      lines: batch.badLines,
    });
  }
  const unique = inOneOrder(batch.records.map(storable));
  // Beside other leaders' journals: nothing here depends on what they write, and rows are locked in one order.
  const imported = await db.write(async (tx) => {
    const ids = await insertUsage(tx, unique);
    const added = unique.filter((record) => ids.has(record.requestId));
    await addToRollups(tx, added);
    await markUsed(tx, lastUseByKey(added));
    await moveJournalPosition(tx, batch.file, batch.endOffset, Date.now());
    return added.length;
  }, "beside others");
  return { imported, position: { file: batch.file, byteOffset: batch.endOffset } };
}

/** Settles until nothing is left. Run at start, before serving: a killed process left its last records in the journal. */
export async function settleAll(db: Db, dir: string, log: Log): Promise<number> {
  let imported = 0;
  for (;;) {
    const settled = await settleOnce(db, dir, log);
    imported += settled.imported;
    if (settled.position === null) return imported;
  }
}

function lastUseByKey(records: readonly UsageRecord[]): Map<string, number> {
  const lastUse = new Map<string, number>();
  for (const { keyId, at } of records) lastUse.set(keyId, Math.max(lastUse.get(keyId) ?? 0, Math.floor(at)));
  return lastUse;
}

/** Each request once, sorted by id: two that insert the same ones wait for each other rather than deadlock. */
function inOneOrder(records: readonly UsageRecord[]): UsageRecord[] {
  const byId = new Map(records.map((record) => [record.requestId, record]));
  return [...byId.values()].sort((a, b) => (a.requestId < b.requestId ? -1 : 1));
}

/** First the files, then their positions: the other way round a crash between would read a file again from its start. */
async function removeFinished(db: Db, dir: string, finished: readonly string[]): Promise<void> {
  if (finished.length === 0) return;
  for (const file of finished) rmSync(join(dir, file), { force: true });
  await db.write((tx) => forgetJournalFiles(tx, finished, Date.now()), "beside others");
}
