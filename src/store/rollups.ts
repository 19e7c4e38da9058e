import { utcDayStart, utcHourStart } from "../core/clock.ts";
import type { UsageGroup, UsageRow } from "../core/usage-record.ts";
import { type Row, toNumber, toText } from "./row-value.ts";
import type { Sql, Tx } from "./store.ts";
import type { SettledUsage } from "./usage-rows.ts";

export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** Requests of up to so many ms are counted in `latency_<index>`; the last column has the rest. */
const LATENCY_BOUNDS_MS: readonly number[] = Array.from({ length: 15 }, (_, index) => 16 * 2 ** index);
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
const FIRST_LATENCY = SUMS.length - LATENCY_COLUMNS.length;
// A row has 31 parameters, a statement at most 32,766.
const ROWS_PER_STATEMENT = 500;

type RollupTable = "usage_hourly" | "usage_daily";

/** One row of a rollup on its way: sums in the order of `SUMS`. */
interface Group {
  readonly bucket: number;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly sums: number[];
}

/** Adds requests that were just inserted, in the same transaction, to both rollups. */
export async function addToRollups(tx: Tx, usage: readonly SettledUsage[]): Promise<void> {
  const hours = new Map<string, Group>();
  for (const group of sumUp(usage)) addGroup(hours, group, group.bucket);
  const days = new Map<string, Group>();
  for (const hour of hours.values()) addGroup(days, hour, utcDayStart(hour.bucket));
  await upsert(tx, "usage_hourly", hours);
  await upsert(tx, "usage_daily", days);
}

/** Sums by hour and group. Runs once for every request: plain additions, a group is looked up when another one comes. */
function sumUp(usage: readonly SettledUsage[]): Group[] {
  const sums: Group[] = [];
  const byGroup = new Map<UsageGroup, Group>();
  let last: UsageGroup | null = null;
  let into: Group | undefined;
  for (const { group, row } of usage) {
    const bucket = utcHourStart(row[1]);
    if (group !== last) into = byGroup.get(group);
    // Requests come in the order of time.
    if (into?.bucket !== bucket) {
      sums.push((into = { bucket, dimensions: dimensionsOf(group), sums: SUMS.map(() => 0) }));
      byGroup.set(group, into);
    }
    last = group;
    addRow(into.sums, row, group.outcome);
  }
  return sums;
}

function dimensionsOf(group: UsageGroup): Group["dimensions"] {
  return {
    user_id: group.userId,
    key_id: group.keyId,
    requested_model: group.requestedModel,
    served_model: group.servedModel,
    node: group.node,
    protocol: group.protocol,
    outcome: group.outcome,
  };
}

function addRow(sums: number[], row: UsageRow, outcome: string): void {
  const latencyMs = row[5];
  bump(sums, 0, 1);
  bump(sums, 1, row[2]);
  bump(sums, 2, row[3]);
  bump(sums, 3, row[4]);
  bump(sums, 4, latencyMs);
  bump(sums, 5, row[9]);
  if (outcome === "error") bump(sums, 6, 1);
  let bound = 0;
  while (bound < LATENCY_BOUNDS_MS.length && latencyMs > (LATENCY_BOUNDS_MS[bound] ?? 0)) bound += 1;
  bump(sums, FIRST_LATENCY + bound, 1);
}

function addGroup(groups: Map<string, Group>, more: Group, bucket: number): void {
  const id = [bucket, ...Object.values(more.dimensions)].join("\0");
  const group = groups.get(id);
  if (group === undefined) groups.set(id, { ...more, bucket, sums: [...more.sums] });
  else for (const [index, sum] of more.sums.entries()) bump(group.sums, index, sum);
}

function bump(sums: number[], index: number, by: number): void {
  sums[index] = (sums[index] ?? 0) + by;
}

async function upsert(tx: Tx, table: RollupTable, groups: ReadonlyMap<string, Group>): Promise<void> {
  // In one order, so that several writers lock the rows they share one after the other.
  const rows = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => toRow(group));
  const sums = SUMS.map((name) => `${name} = ${table}.${name} + excluded.${name}`).join(", ");
  for (let start = 0; start < rows.length; start += ROWS_PER_STATEMENT) {
    await tx`insert into ${tx(table)} ${tx(rows.slice(start, start + ROWS_PER_STATEMENT))}
      on conflict (bucket, ${tx.unsafe(DIMENSIONS.join(", "))}) do update set ${tx.unsafe(sums)}`;
  }
}

function toRow({ bucket, dimensions, sums }: Group): Record<string, unknown> {
  const row: Record<string, unknown> = { bucket, ...dimensions };
  for (const [index, name] of SUMS.entries()) row[name] = sums[index] ?? 0;
  return row;
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

/** Prompt and completion tokens by key for the UTC day that starts at `dayStart`; of one key only where it is named. */
export async function usedTokensOfDay(sql: Sql, dayStart: number, keyId?: string): Promise<Map<string, number>> {
  const ofKey = keyId === undefined ? sql`` : sql`and key_id = ${keyId}`;
  const rows: Row[] = await sql`
    select key_id, cast(sum(prompt_tokens + completion_tokens) as double precision) as tokens
    from usage_daily where bucket = ${dayStart} ${ofKey} group by key_id`;
  return new Map(rows.map((row) => [toText(row["key_id"]), toNumber(row["tokens"])]));
}
