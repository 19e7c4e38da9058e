import type { Row } from "./row-value.ts";
import type { Sql } from "./store.ts";

/** How long a token is remembered after its end, for the words of a refusal. */
const KEEP_MS = 24 * 3_600_000;

/** Also forgets those that ended long ago. */
export async function addJoinToken(sql: Sql, id: string, expiresAt: number, now: number): Promise<void> {
  await sql`delete from join_tokens where expires_at < ${now - KEEP_MS}`;
  await sql`insert into join_tokens ${sql({ id, created_at: now, expires_at: expiresAt, used_at: null })}`;
}

/** One statement decides it, so that of two machines with the same token one gets in. */
export async function spendJoinToken(sql: Sql, id: string, now: number): Promise<"spent" | "used" | "unknown"> {
  const spent: Row[] =
    await sql`update join_tokens set used_at = ${now} where id = ${id} and used_at is null returning id`;
  if (spent.length > 0) return "spent";
  const known: Row[] = await sql`select id from join_tokens where id = ${id}`;
  return known.length > 0 ? "used" : "unknown";
}
