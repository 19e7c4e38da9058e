import type { UsageGroup, UsageRow } from "../core/usage-record.ts";
import { type Row, toText } from "./row-value.ts";
import type { Db, Tx } from "./store.ts";

/** A request on its way into the store, as the store takes it. */
export interface SettledUsage {
  readonly group: UsageGroup;
  readonly row: UsageRow;
}

const COLUMNS = [
  "at",
  "request_id",
  "group_id",
  "prompt_tokens",
  "completion_tokens",
  "cached_tokens",
  "latency_ms",
  "ttft_ms",
  "queue_ms",
  "attempts",
  "price_micros",
  "route_reason",
];
const ROWS_PER_STATEMENT = 250;

/** Written out, for the driver would make it anew from names for every row. */
function statementFor(rows: number, { kind }: Pick<Db, "kind">): string {
  const places = Array.from({ length: rows }, (_, row) => {
    const first = row * COLUMNS.length + 1;
    // SQLite takes `$1` for a name, and looks through all names before it for each.
    return `(${COLUMNS.map((_name, at) => (kind === "sqlite" ? "?" : `$${first + at}`)).join(",")})`;
  });
  return `insert into usage_requests (${COLUMNS.join(",")}) values ${places.join(",")}
    on conflict (at, request_id) do nothing`;
}

type NumberOf = (group: UsageGroup) => number;

function* statements(
  db: Pick<Db, "kind">,
  usage: readonly SettledUsage[],
  numberOf: NumberOf,
): Generator<[text: string, values: unknown[]]> {
  let text = "";
  for (let start = 0; start < usage.length; start += ROWS_PER_STATEMENT) {
    const some = usage.slice(start, start + ROWS_PER_STATEMENT);
    const values: unknown[] = [];
    for (const entry of some) addValues(values, entry, numberOf);
    if (start === 0 || some.length < ROWS_PER_STATEMENT) text = statementFor(some.length, db);
    yield [text, values];
  }
}

function addValues(values: unknown[], { group, row }: SettledUsage, numberOf: NumberOf): void {
  const [id, at, prompt, completion, cached, latency, ttft, queue, attempts, price, reason] = row;
  values.push(at, id, numberOf(group), prompt, completion, cached, latency, ttft, queue, attempts, price, reason);
}

/** Inserts what is not there yet, and gives the number of rows that it inserted. */
export async function insertUsage(
  db: Pick<Db, "kind">,
  tx: Tx,
  usage: readonly SettledUsage[],
  numberOf: NumberOf,
): Promise<number> {
  let inserted = 0;
  for (const [text, values] of statements(db, usage, numberOf)) {
    const { count }: { count: number } = await tx.unsafe(text, values);
    inserted += count;
  }
  return inserted;
}

/** Inserts what is not there yet, and gives it: each request once. */
export async function insertNewUsage(
  db: Pick<Db, "kind">,
  tx: Tx,
  usage: readonly SettledUsage[],
  numberOf: NumberOf,
): Promise<readonly SettledUsage[]> {
  const added = new Set<string>();
  for (const [text, values] of statements(db, usage, numberOf)) {
    const rows: Row[] = await tx.unsafe(`${text} returning request_id`, values);
    for (const row of rows) added.add(toText(row["request_id"]));
  }
  return usage.filter(({ row: [id] }) => added.delete(id));
}
