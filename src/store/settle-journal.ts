import { rmSync } from "node:fs";
import { join } from "node:path";
import type { UsageGroup, UsageRun } from "../core/usage-record.ts";
import { scanJournal } from "./journal-reader.ts";
import { forgetJournalFiles, journalPositions, moveJournalPosition } from "./journal-position.ts";
import { markUsed } from "./keys.ts";
import { addToRollups } from "./rollups.ts";
import { storableGroup, storableRow } from "./storable.ts";
import type { Db, Log } from "./store.ts";
import { groupNumbers } from "./usage-groups.ts";
import { insertNewUsage, insertUsage, type SettledUsage } from "./usage-rows.ts";

const BATCH_RECORDS = 4000;

export interface Settled {
  /** Rows that were not in the store before. */
  readonly imported: number;
  /** Where the journal was read up to; null: there was nothing to read. */
  readonly position: { readonly file: string; readonly byteOffset: number } | null;
}

/** Some of what was to be inserted is in the store already. */
class SeenBefore extends Error {}

/**
 * Brings the journal's next records, 4,000 or a few more, into `usage` and both rollups, in one transaction with the position.
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
  const usage = inOneOrder(batch.runs);
  const { file, endOffset } = batch;
  // Beside other leaders' journals: nothing here depends on what they write, and rows are locked in one order.
  const settle = (insert: Insert): Promise<number> =>
    db
      .write(async (tx) => {
        const numbers = await groupNumbers(db, tx, new Set(usage.map(({ group }) => group)));
        const added = await insert(db, tx, usage, (group) => numbers.of(group));
        await addToRollups(tx, added);
        await markUsed(tx, lastUseByKey(added));
        await moveJournalPosition(tx, file, endOffset, Date.now());
        return { numbers, imported: added.length };
      }, "beside others")
      .then(({ numbers, imported }) => {
        numbers.keep();
        return imported;
      });
  const imported = await settle(insertAll).catch((cause: unknown) => {
    if (cause instanceof SeenBefore) return settle(insertNewUsage);
    throw cause;
  });
  return { imported, position: { file, byteOffset: endOffset } };
}

type Insert = typeof insertNewUsage;

/** Nearly always a journal is read once, and then nobody has to look which of its requests are new. */
const insertAll: Insert = async (db, tx, usage, numberOf) => {
  if ((await insertUsage(db, tx, usage, numberOf)) < usage.length)
    throw new SeenBefore("some usage is in the store already");
  return usage;
};

/** Settles until nothing is left. Run at start, before serving: a killed process left its last records in the journal. */
export async function settleAll(db: Db, dir: string, log: Log): Promise<number> {
  let imported = 0;
  for (;;) {
    const settled = await settleOnce(db, dir, log);
    imported += settled.imported;
    if (settled.position === null) return imported;
  }
}

function lastUseByKey(usage: readonly SettledUsage[]): Map<string, number> {
  const lastUse = new Map<string, number>();
  for (const { group, row } of usage) lastUse.set(group.keyId, Math.max(lastUse.get(group.keyId) ?? 0, row[1]));
  return lastUse;
}

/** Sorted as the store's rows are: two that insert the same ones wait for each other rather than deadlock. */
function inOneOrder(runs: readonly UsageRun[]): SettledUsage[] {
  const clean = new Map<UsageGroup, UsageGroup>();
  const usage: SettledUsage[] = [];
  for (const { group, rows } of runs) {
    let storable = clean.get(group);
    if (storable === undefined) clean.set(group, (storable = storableGroup(group)));
    for (const row of rows) usage.push({ group: storable, row: storableRow(row) });
  }
  return usage.sort(({ row: a }, { row: b }) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
}

/** First the files, then their positions: the other way round a crash between would read a file again from its start. */
async function removeFinished(db: Db, dir: string, finished: readonly string[]): Promise<void> {
  if (finished.length === 0) return;
  for (const file of finished) rmSync(join(dir, file), { force: true });
  await db.write((tx) => forgetJournalFiles(tx, finished, Date.now()), "beside others");
}
