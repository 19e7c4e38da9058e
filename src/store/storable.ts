import type { UsageRecord } from "../core/usage-record.ts";

/** Names come from clients, and an index of PostgreSQL takes 2,700 bytes for a whole row of the rollups. */
const MAX_TEXT = 200;
/** Far above any real count or time, and low enough that sums of millions of them fit a `bigint`. */
const MAX_NUMBER = 2 ** 42;
const MAX_ATTEMPTS = 2 ** 31 - 1;

/**
 * The record as every database takes it. One value that is refused would hold up all usage behind it for ever:
 * PostgreSQL has no NUL in texts and no lone surrogates, `bigint` ends, and counts of an engine may be anything.
 */
export function storable(record: UsageRecord): UsageRecord {
  if (isStorable(record)) return record;
  const clean = Object.fromEntries(
    Object.entries(record).map(([name, value]: [string, unknown]) => [name, storableValue(value)]),
  ) as unknown as UsageRecord;
  return { ...clean, attempts: Math.min(clean.attempts, MAX_ATTEMPTS) };
}

/** Nearly every record is: it is looked at, and nothing is made anew. */
function isStorable(record: UsageRecord): boolean {
  const fields = record as unknown as Readonly<Record<string, unknown>>;
  for (const name in fields) {
    const value = fields[name];
    if (typeof value === "number" && !(value >= 0 && value <= MAX_NUMBER)) return false;
    if (typeof value === "string" && (value.length > MAX_TEXT || value.includes("\0") || !value.isWellFormed()))
      return false;
  }
  return record.attempts <= MAX_ATTEMPTS;
}

function storableValue(value: unknown): unknown {
  if (typeof value === "number") return Math.min(Math.max(value, 0), MAX_NUMBER);
  return typeof value === "string" ? storableText(value).slice(0, MAX_TEXT).toWellFormed() : value;
}

/** A text from outside as a parameter of a query. */
export function storableText(text: string): string {
  return text.replaceAll("\0", "\ufffd").toWellFormed();
}
