import { utcDayStart, utcHourStart } from "../core/clock.ts";
import type { UsageRecord } from "../core/usage-record.ts";
import { type Row, toNumber, toText } from "./row-value.ts";
import type { Sql, Tx } from "./store.ts";

export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** Requests of up to so many ms are counted in `latency_<index>`; the last column has the rest. */
export const LATENCY_BOUNDS_MS: readonly number[] = Array.from({ length: 15 }, (_, index) => 16 * 2 ** index);
const LATENCY_COLUMNS = Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, (_, index) => `latency_${index}`);

const DIMENSIONS = ["user_id", "key_id", "requested_model", "served_model", "node", "protocol", "outcome"] as const;
const SUMS = [
  "requests",
  "prompt_tokens",
  "completion_tokens",
  "cached_tokens",
  "latency_ms",
  "price_micros",
  "errors",
  ...LATENCY_COLUMNS,
] as const;
// A row has 31 parameters, a statement at most 32,766.
const ROWS_PER_STATEMENT = 500;

type RollupTable = "usage_hourly" | "usage_daily";

/** Adds requests that were just inserted into `usage`, in the same transaction, to both rollups. */
export async function addToRollups(tx: Tx, records: readonly UsageRecord[]): Promise<void> {
  await add(tx, "usage_hourly", records, utcHourStart);
  await add(tx, "usage_daily", records, utcDayStart);
}

async function add(
  tx: Tx,
  table: RollupTable,
  records: readonly UsageRecord[],
  bucketOf: (at: number) => number,
): Promise<void> {
  const groups = new Map<string, Record<string, unknown>>();
  for (const record of records) {
    const dimensions = dimensionsOf(record, bucketOf(Math.floor(record.at)));
    const id = JSON.stringify(Object.values(dimensions));
    let group = groups.get(id);
    if (group === undefined) groups.set(id, (group = dimensions));
    for (const [name, value] of Object.entries(sumsOf(record))) group[name] = toNumber(group[name] ?? 0) + value;
  }
  // In one order, so that several writers lock the rows they share one after the other.
  const rows = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
  const sums = SUMS.map((name) => `${name} = ${table}.${name} + excluded.${name}`).join(", ");
  for (let start = 0; start < rows.length; start += ROWS_PER_STATEMENT) {
    await tx`insert into ${tx(table)} ${tx(rows.slice(start, start + ROWS_PER_STATEMENT))}
      on conflict (bucket, ${tx.unsafe(DIMENSIONS.join(", "))}) do update set ${tx.unsafe(sums)}`;
  }
}

function dimensionsOf(record: UsageRecord, bucket: number): Record<string, unknown> {
  return {
    bucket,
    user_id: record.userId,
    key_id: record.keyId,
    requested_model: record.requestedModel,
    served_model: record.servedModel,
    node: record.node,
    protocol: record.protocol,
    outcome: record.outcome,
  };
}

/** Rounded as the columns of `usage` are: a rebuild from the rows must give the same sums. */
function sumsOf(record: UsageRecord): Record<string, number> {
  const latencyMs = Math.round(record.latencyMs);
  const bound = LATENCY_BOUNDS_MS.findIndex((upTo) => latencyMs <= upTo);
  const slot = bound === -1 ? LATENCY_BOUNDS_MS.length : bound;
  const sums: Record<string, number> = {
    requests: 1,
    prompt_tokens: Math.round(record.promptTokens),
    completion_tokens: Math.round(record.completionTokens),
    cached_tokens: Math.round(record.cachedTokens),
    latency_ms: latencyMs,
    price_micros: Math.round(record.priceMicros),
    errors: record.outcome === "error" ? 1 : 0,
  };
  for (const [index, name] of LATENCY_COLUMNS.entries()) sums[name] = index === slot ? 1 : 0;
  return sums;
}

const FROM_USAGE = [
  "count(*)",
  "sum(prompt_tokens)",
  "sum(completion_tokens)",
  "sum(cached_tokens)",
  "sum(latency_ms)",
  "sum(price_micros)",
  "sum(case when outcome = 'error' then 1 else 0 end)",
  ...LATENCY_COLUMNS.map((_, index) => {
    const above = index === 0 ? "true" : `latency_ms > ${LATENCY_BOUNDS_MS[index - 1]}`;
    const upTo = index === LATENCY_BOUNDS_MS.length ? "true" : `latency_ms <= ${LATENCY_BOUNDS_MS[index]}`;
    return `sum(case when ${above} and ${upTo} then 1 else 0 end)`;
  }),
].join(", ");
const FROM_HOURLY = SUMS.map((name) => `sum(${name})`).join(", ");
const COLUMNS = ["bucket", ...DIMENSIONS, ...SUMS].join(", ");
const GROUP = DIMENSIONS.join(", ");

/** Replaces one hour of `usage_hourly` by what `usage` has. */
export async function rebuildHour(tx: Tx, hour: number): Promise<void> {
  await tx`delete from usage_hourly where bucket = ${hour}`;
  await tx.unsafe(
    `insert into usage_hourly (${COLUMNS}) select ${hour}, ${GROUP}, ${FROM_USAGE}
     from usage where at >= ${hour} and at < ${hour + HOUR_MS} group by ${GROUP}`,
  );
}

/** Replaces one day of `usage_daily` by the sum of its hours. */
export async function rebuildDayFromHours(tx: Tx, day: number): Promise<void> {
  await tx`delete from usage_daily where bucket = ${day}`;
  await tx.unsafe(
    `insert into usage_daily (${COLUMNS}) select ${day}, ${GROUP}, ${FROM_HOURLY}
     from usage_hourly where bucket >= ${day} and bucket < ${day + DAY_MS} group by ${GROUP}`,
  );
}

/** Prompt and completion tokens by key for the UTC day that starts at `dayStart`. */
export async function usedTokensToday(sql: Sql, dayStart: number): Promise<Map<string, number>> {
  const rows: Row[] = await sql`
    select key_id, cast(sum(prompt_tokens + completion_tokens) as double precision) as tokens
    from usage_daily where bucket = ${dayStart} group by key_id`;
  return new Map(rows.map((row) => [toText(row["key_id"]), toNumber(row["tokens"])]));
}
