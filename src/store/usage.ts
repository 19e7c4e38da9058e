import type { Outcome, UsageRecord } from "../core/usage-record.ts";
import { type Row, toNumber, toNumberOrNull, toText } from "./row-value.ts";
import { storableText } from "./storable.ts";
import type { Sql, Tx } from "./store.ts";

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

/** Columns are whole numbers; a measured time or a price may not be. */
function toRow(record: UsageRecord): Row {
  return {
    request_id: record.requestId,
    at: Math.floor(record.at),
    user_id: record.userId,
    key_id: record.keyId,
    protocol: record.protocol,
    endpoint: record.endpoint,
    requested_model: record.requestedModel,
    served_model: record.servedModel,
    node: record.node,
    engine: record.engine,
    replica: record.replica,
    prompt_tokens: Math.round(record.promptTokens),
    completion_tokens: Math.round(record.completionTokens),
    cached_tokens: Math.round(record.cachedTokens),
    latency_ms: Math.round(record.latencyMs),
    ttft_ms: record.ttftMs === null ? null : Math.round(record.ttftMs),
    queue_ms: Math.round(record.queueMs),
    attempts: Math.round(record.attempts),
    route_reason: record.routeReason,
    price_micros: Math.round(record.priceMicros),
    outcome: record.outcome,
    error_kind: record.errorKind,
  };
}

/** A row has 22 parameters, a statement at most 32,766. */
const ROWS_PER_STATEMENT = 1000;

/** Inserts what is not there yet, and gives the ids of what it inserted. */
export async function insertUsage(tx: Tx, records: readonly UsageRecord[]): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let start = 0; start < records.length; start += ROWS_PER_STATEMENT) {
    const some = records.slice(start, start + ROWS_PER_STATEMENT).map(toRow);
    const rows: Row[] =
      await tx`insert into usage ${tx(some)} on conflict (request_id) do nothing returning request_id`;
    for (const row of rows) ids.add(toText(row["request_id"]));
  }
  return ids;
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

/** Newest first. */
export async function recentUsage(sql: Sql, { limit, user, node, before }: RecentUsage): Promise<UsageEntry[]> {
  const name = storableText(user ?? "");
  const ofUser =
    user === undefined
      ? sql``
      : sql`and usage.user_id = coalesce((select id from users where name = ${name} or id = ${name} limit 1), ${name})`;
  const onNode = node === undefined ? sql`` : sql`and usage.node = ${storableText(node)}`;
  const rows: Row[] = await sql`
    select usage.*, users.name as user_name, keys.name as key_name from usage
    left join users on users.id = usage.user_id
    left join keys on keys.id = usage.key_id
    where usage.at < ${before ?? Number.MAX_SAFE_INTEGER} ${ofUser} ${onNode}
    order by usage.at desc limit ${limit}`;
  return rows.map(fromRow);
}
