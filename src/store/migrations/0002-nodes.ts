import type { Migration } from "./migration.ts";

const STATEMENTS: readonly string[] = [
  // Keys of a rotation that were not used yet; "" for none.
  `alter table nodes add column next_key text not null default ''`,
  // A machine that joins again, reinstalled or not, takes its earlier record's place.
  `alter table nodes add column machine text not null default ''`,
  `alter table nodes add column assign integer not null default 1`,
  `alter table nodes add column version text not null default ''`,
  `alter table nodes add column keys_at bigint not null default 0`,
  // A removed node's keys are kept: it must hear that it was removed, not that nobody knows it.
  `alter table nodes add column removed_at bigint`,
  // Each machine's node show reads the newest of its own.
  `create index usage_node on usage (node, at desc)`,
];

export const nodes: Migration = {
  version: 2,
  name: "nodes that join",
  async up(tx) {
    for (const statement of STATEMENTS) await tx.unsafe(statement);
  },
};
