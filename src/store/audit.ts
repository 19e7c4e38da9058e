import { type Row, toJson, toNumber, toText } from "./row-value.ts";
import { storableText } from "./storable.ts";
import type { Sql, Tx } from "./store.ts";

/** One change by a person or a key. `before` and `after` are JSON values without secrets or hashes. */
export interface AuditEntry {
  readonly id: string;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly before: unknown;
  readonly after: unknown;
}

function fromRow(row: Row): AuditEntry {
  return {
    id: toText(row["id"]),
    at: toNumber(row["at"]),
    actor: toText(row["actor"]),
    action: toText(row["action"]),
    target: toText(row["target"]),
    before: toJson(row["before_json"]),
    after: toJson(row["after_json"]),
  };
}

/** Only `audited` calls this: a change and its entry belong in one transaction. */
export async function insertAudit(tx: Tx, entry: AuditEntry): Promise<void> {
  const row = {
    id: entry.id,
    at: entry.at,
    actor: entry.actor,
    action: entry.action,
    target: entry.target,
    before_json: toColumn(entry.before),
    after_json: toColumn(entry.after),
  };
  await tx`insert into audit ${tx(row)}`;
}

function toColumn(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value);
}

export interface RecentAudit {
  readonly limit: number;
  readonly actor?: string;
}

/** Newest first. */
export async function recentAudit(sql: Sql, { limit, actor }: RecentAudit): Promise<AuditEntry[]> {
  const where = actor === undefined ? sql`` : sql`where actor = ${storableText(actor)}`;
  const rows: Row[] = await sql`select * from audit ${where} order by at desc, id desc limit ${limit}`;
  return rows.map(fromRow);
}
