import { type Row, toNumber, toText } from "./row-value.ts";
import type { Sql, Tx } from "./store.ts";

/** How far each journal file is in the store: bytes by file name. Names are unique across all leaders of a database. */
export async function journalPositions(sql: Sql): Promise<Map<string, number>> {
  const rows: Row[] = await sql`select file, byte_offset from journal_position`;
  return new Map(rows.map((row) => [toText(row["file"]), toNumber(row["byte_offset"])]));
}

export async function moveJournalPosition(tx: Tx, file: string, byteOffset: number, now: number): Promise<void> {
  await tx`insert into journal_position ${tx({ file, byte_offset: byteOffset, updated_at: now })}
    on conflict (file) do update set byte_offset = excluded.byte_offset, updated_at = excluded.updated_at`;
}

/** A crash between the removal of a file and this leaves a row that nobody asks for: it goes after this time. */
const STALE_MS = 30 * 86_400_000;

export async function forgetJournalFiles(tx: Tx, files: readonly string[], now: number): Promise<void> {
  await tx`delete from journal_position where file in ${tx(files)} or updated_at < ${now - STALE_MS}`;
}
