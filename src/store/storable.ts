import { GROUP_FIELDS, MAX_COUNT, MAX_TEXT, type UsageGroup, type UsageRow } from "../core/usage-record.ts";

const MAX_ATTEMPTS = 2 ** 31 - 1;

// A row as every database takes it. One value that is refused would hold up all usage behind it for ever: PostgreSQL has
// no NUL in texts and no lone surrogates, its `bigint` ends, its index takes 2,700 bytes for a whole row of the rollups, and a
// file may hold anything.

export function storableGroup(group: UsageGroup): UsageGroup {
  const clean = Object.fromEntries(GROUP_FIELDS.map((name) => [name, shortText(group[name])]));
  return clean as unknown as UsageGroup;
}

/** Nearly every row is: it is looked at, and nothing is made anew. */
export function storableRow(row: UsageRow): UsageRow {
  return isStorable(row) ? row : (row.map(storableValue) as unknown as UsageRow);
}

function isStorable(row: UsageRow): boolean {
  for (const value of row) {
    if (typeof value === "number" ? !Number.isInteger(value) || value < 0 || value > MAX_COUNT : !isShort(value)) {
      return false;
    }
  }
  return row[8] <= MAX_ATTEMPTS;
}

function isShort(text: string | null): boolean {
  return text === null || (text.length <= MAX_TEXT && !text.includes("\0") && text.isWellFormed());
}

function storableValue(value: unknown, at: number): unknown {
  if (typeof value === "string") return shortText(value);
  if (typeof value !== "number") return value;
  const whole = Math.round(Math.min(Math.max(value, 0), MAX_COUNT));
  return at === 8 ? Math.min(whole, MAX_ATTEMPTS) : whole;
}

function shortText(text: string): string {
  return storableText(text).slice(0, MAX_TEXT).toWellFormed();
}

/** A text from outside as a parameter of a query. */
export function storableText(text: string): string {
  return text.replaceAll("\0", "\ufffd").toWellFormed();
}
