import type { Migration } from "./migration.ts";

/** The token itself is kept nowhere; used ones stay until they have expired, so that they are refused by name. */
export const joinTokens: Migration = {
  version: 4,
  name: "join tokens",
  async up(tx) {
    await tx.unsafe(`create table join_tokens (
      id text primary key,
      created_at bigint not null,
      expires_at bigint not null,
      used_at bigint)`);
  },
};
