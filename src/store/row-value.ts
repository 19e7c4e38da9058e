/** A row as the driver gives it: PostgreSQL has strings where SQLite has numbers, so rows pass through these. */
export type Row = Readonly<Record<string, unknown>>;

export function toNumber(value: unknown): number {
  return typeof value === "number" ? value : Number(value);
}

export function toNumberOrNull(value: unknown): number | null {
  return value === null || value === undefined ? null : toNumber(value);
}

export function toText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function toTextOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** JSON columns are text that this code wrote; null stands for an empty column. */
export function toJson(value: unknown): unknown {
  return typeof value === "string" ? JSON.parse(value) : null;
}
