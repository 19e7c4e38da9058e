import type { Migration } from "./migration.ts";

const STATEMENTS: readonly string[] = [
  `alter table keys add column priority text not null default 'interactive'`,
  // What other leaders on this database have not seen yet: see change-counts.ts.
  `alter table keys add column version bigint not null default 0`,
  `create index keys_version on keys (version)`,
  `create table change_counts (name text primary key, version bigint not null)`,

  // An alias may belong to one key; '' is everybody's.
  `create table aliases_of_keys (
    key_id text not null,
    name text not null,
    model text not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (key_id, name))`,
  `insert into aliases_of_keys select '', name, model, created_at, updated_at from aliases`,
  `drop table aliases`,
  `alter table aliases_of_keys rename to aliases`,

  // What processes on this database have set aside of a limit, and for how long their word counts.
  `create table limit_holders (holder text primary key, home text not null, expires_at bigint not null)`,
  `create table limit_meters (meter text primary key, wanted_at bigint not null)`,
  `create table limit_slices (
    meter text not null,
    holder text not null,
    units bigint not null,
    free bigint not null,
    primary key (meter, holder))`,
  `create index limit_slices_holder on limit_slices (holder)`,
  `create table limit_uses (
    meter text not null,
    at bigint not null,
    holder text not null,
    units bigint not null,
    primary key (meter, at, holder))`,
  `create index limit_uses_at on limit_uses (at)`,
  `create index usage_daily_key on usage_daily (key_id, bucket)`,
];

export const limitsAndAliases: Migration = {
  version: 3,
  name: "limits shared by several leaders, aliases of keys",
  async up(tx) {
    for (const statement of STATEMENTS) await tx.unsafe(statement);
  },
};
