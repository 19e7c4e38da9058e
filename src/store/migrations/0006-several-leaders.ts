import type { Migration } from "./migration.ts";

const STATEMENTS: readonly string[] = [
  // The one leader that a node beats to, and that runs a job; "": this database has one leader.
  `alter table nodes add column leader text not null default ''`,
  `alter table jobs add column leader text not null default ''`,
];

export const severalLeaders: Migration = {
  version: 6,
  name: "nodes and jobs of several leaders",
  async up(tx) {
    for (const statement of STATEMENTS) await tx.unsafe(statement);
  },
};
