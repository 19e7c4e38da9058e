import type { Row } from "./row-value.ts";
import type { Tx } from "./store.ts";

/** How long a token is remembered after its end, for the words of a refusal. */
const KEEP_MS = 24 * 3_600_000;

/** Also forgets those that ended long ago. */
export async function addJoinToken(tx: Tx, id: string, expiresAt: number, now: number): Promise<void> {
  await tx`delete from join_tokens where expires_at < ${now - KEEP_MS}`;
  await tx`insert into join_tokens ${tx({ id, created_at: now, expires_at: expiresAt, used_at: null })}`;
}

/** One statement decides it, so that of two machines with the same token one gets in. */
export async function spendJoinToken(tx: Tx, id: string, now: number): Promise<"spent" | "used" | "unknown"> {
  const spent: Row[] =
    await tx`update join_tokens set used_at = ${now} where id = ${id} and used_at is null returning id`;
  if (spent.length > 0) return "spent";
  const known: Row[] = await tx`select id from join_tokens where id = ${id}`;
  return known.length > 0 ? "used" : "unknown";
}
