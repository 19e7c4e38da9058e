import type { Outcome, UsageRecord } from "../core/usage-record.ts";
import { type Row, toNumber, toNumberOrNull, toText } from "./row-value.ts";
import { storableText } from "./storable.ts";
import type { Sql } from "./store.ts";

/** A request with the names that people know. Names are "" where the user or key is not in the store (`anonymous`). */
export interface UsageEntry extends UsageRecord {
  readonly userName: string;
  readonly keyName: string;
}

function fromRow(row: Row): UsageEntry {
  return {
    requestId: toText(row["request_id"]),
    at: toNumber(row["at"]),
    userId: toText(row["user_id"]),
    keyId: toText(row["key_id"]),
    protocol: toText(row["protocol"]),
    endpoint: toText(row["endpoint"]),
    requestedModel: toText(row["requested_model"]),
    servedModel: toText(row["served_model"]),
    node: toText(row["node"]),
    engine: toText(row["engine"]),
    replica: toText(row["replica"]),
    promptTokens: toNumber(row["prompt_tokens"]),
    completionTokens: toNumber(row["completion_tokens"]),
    cachedTokens: toNumber(row["cached_tokens"]),
    latencyMs: toNumber(row["latency_ms"]),
    ttftMs: toNumberOrNull(row["ttft_ms"]),
    queueMs: toNumber(row["queue_ms"]),
    attempts: toNumber(row["attempts"]),
    routeReason: toText(row["route_reason"]),
    priceMicros: toNumber(row["price_micros"]),
    outcome: toOutcome(row["outcome"]),
    errorKind: toText(row["error_kind"]),
    userName: toText(row["user_name"]),
    keyName: toText(row["key_name"]),
  };
}

function toOutcome(value: unknown): Outcome {
  return value === "ok" || value === "cancelled" ? value : "error";
}

export interface RecentUsage {
  readonly limit: number;
  /** A user's name or id. */
  readonly user?: string;
  /** Id of the node that served it. */
  readonly node?: string;
  /** Only requests that arrived before this moment (epoch ms), to read on. */
  readonly before?: number;
}

const SECOND_MS = 1000;
const WIDER = 8;

/** Newest first. */
export async function recentUsage(sql: Sql, { limit, user, node, before }: RecentUsage): Promise<UsageEntry[]> {
  if (user === undefined && node === undefined) {
    const end = before ?? Number.MAX_SAFE_INTEGER;
    return readRows(
      sql,
      sql`select at, request_id from usage_requests where at < ${end} order by at desc limit ${limit}`,
    );
  }
  const name = storableText(user ?? "");
  const ofUser =
    user === undefined
      ? sql``
      : sql`and user_id = coalesce((select id from users where name = ${name} or id = ${name} limit 1), ${name})`;
  const onNode = node === undefined ? sql`` : sql`and node = ${storableText(node)}`;
  const groups = sql`select id from usage_groups where 1 = 1 ${ofUser} ${onNode}`;
  const [first, last] = await span(sql);
  const end = Math.min(before ?? Number.MAX_SAFE_INTEGER, last + 1);
  // Each group has its requests in order, all of them together have not: few are read by looking at the last second, then
  // further and further back. `cross join` makes SQLite go by the groups.
  for (let ms = SECOND_MS; ; ms *= WIDER) {
    const rows = await readRows(
      sql,
      sql`select r.at, r.request_id from (${groups}) as g cross join usage_requests as r
        where r.group_id = g.id and r.at >= ${end - ms} and r.at < ${end} order by r.at desc limit ${limit}`,
    );
    if (rows.length >= limit || end - ms <= first) return rows;
  }
}

/** When the first and the last request came. */
async function span(sql: Sql): Promise<[first: number, last: number]> {
  const rows: Row[] = await sql`
    select (select min(at) from usage_requests) as first_at, (select max(at) from usage_requests) as last_at`;
  return [toNumber(rows[0]?.["first_at"] ?? 0), toNumber(rows[0]?.["last_at"] ?? 0)];
}

/** The rows that `keys` names by time and id; names and texts are looked up for these only. */
async function readRows(sql: Sql, keys: unknown): Promise<UsageEntry[]> {
  const rows: Row[] = await sql`
    select r.*, g.*, users.name as user_name, keys.name as key_name
    from (${keys}) as newest cross join usage_requests as r
    join usage_groups as g on g.id = r.group_id
    left join users on users.id = g.user_id
    left join keys on keys.id = g.key_id
    where r.at = newest.at and r.request_id = newest.request_id
    order by r.at desc`;
  return rows.map(fromRow);
}
