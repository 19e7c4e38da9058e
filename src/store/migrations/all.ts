import { firstTables } from "./0001-first-tables.ts";
import { nodes } from "./0002-nodes.ts";
import { limitsAndAliases } from "./0003-limits-and-aliases.ts";
import { joinTokens } from "./0004-join-tokens.ts";
import { usageInGroups } from "./0005-usage-in-groups.ts";
import { severalLeaders } from "./0006-several-leaders.ts";
import type { Migration } from "./migration.ts";

export const MIGRATIONS: readonly Migration[] = [
  firstTables,
  nodes,
  limitsAndAliases,
  joinTokens,
  usageInGroups,
  severalLeaders,
];
