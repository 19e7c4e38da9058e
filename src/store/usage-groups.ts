import { GROUP_FIELDS, type UsageGroup } from "../core/usage-record.ts";
import { groupDigest } from "./group-digest.ts";
import { type Row, toNumber, toText } from "./row-value.ts";
import type { Db, Tx } from "./store.ts";

const MAX_KNOWN = 10_000;
const ROWS_PER_STATEMENT = 500;

/** Numbers of groups that are in the database for good. They go with the connection: a new one may see another file. */
const KNOWN = new WeakMap<Db, Map<string, number>>();

function textsOf(group: UsageGroup): string[] {
  return GROUP_FIELDS.map((name) => group[name]);
}

/** The numbers of groups, found or given in the transaction of the rows that have them. */
export interface GroupNumbers {
  of(group: UsageGroup): number;
  /** The transaction is over: what it found need not be looked for again. */
  keep(): void;
}

export async function groupNumbers(db: Db, tx: Tx, groups: Iterable<UsageGroup>): Promise<GroupNumbers> {
  const known = KNOWN.get(db) ?? new Map<string, number>();
  const numbers = new Map<UsageGroup, number>();
  const missing = new Map<string, UsageGroup[]>();
  for (const group of groups) {
    const digest = groupDigest(textsOf(group));
    const number = known.get(digest);
    if (number === undefined) missing.set(digest, [...(missing.get(digest) ?? []), group]);
    else numbers.set(group, number);
  }
  const found = await numbersOf(tx, missing);
  for (const [digest, number] of found) for (const group of missing.get(digest) ?? []) numbers.set(group, number);
  return {
    of(group) {
      const number = numbers.get(group);
      if (number === undefined) throw new Error("a group of usage was written and is not there");
      return number;
    },
    keep() {
      if (known.size + found.size > MAX_KNOWN) known.clear();
      for (const [digest, number] of found) known.set(digest, number);
      KNOWN.set(db, known);
    },
  };
}

/** Gives numbers to those that have none. */
async function numbersOf(tx: Tx, missing: ReadonlyMap<string, readonly UsageGroup[]>): Promise<Map<string, number>> {
  // In one order: two leaders that meet the same new groups wait for each other rather than deadlock.
  const rows = [...missing].flatMap(([digest, [group]]) => (group === undefined ? [] : [toRow(digest, group)]));
  rows.sort((a, b) => (a.digest < b.digest ? -1 : 1));
  const numbers = new Map<string, number>();
  for (let start = 0; start < rows.length; start += ROWS_PER_STATEMENT) {
    const some = rows.slice(start, start + ROWS_PER_STATEMENT);
    await tx`insert into usage_groups ${tx(some)} on conflict (digest) do nothing`;
    const found: Row[] = await tx`
      select id, digest from usage_groups where digest in ${tx(some.map(({ digest }) => digest))}`;
    for (const row of found) numbers.set(toText(row["digest"]), toNumber(row["id"]));
  }
  return numbers;
}

function toRow(digest: string, group: UsageGroup): { digest: string } & Row {
  return {
    digest,
    user_id: group.userId,
    key_id: group.keyId,
    protocol: group.protocol,
    endpoint: group.endpoint,
    requested_model: group.requestedModel,
    served_model: group.servedModel,
    node: group.node,
    engine: group.engine,
    replica: group.replica,
    outcome: group.outcome,
    error_kind: group.errorKind,
  };
}
