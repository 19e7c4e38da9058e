import { DRAIN_JOB, drainInput } from "./placing.ts";
import { succeededJobs } from "../../store/jobs.ts";
import type { Sql } from "../../store/store.ts";

/**
 * Those of these nodes that were being drained when the leader before ended, or whose drain failed: what only they have they
 * go on serving, as they did before, until a drain of them has ended well.
 */
export async function unfinishedDrains(
  sql: Sql,
  leader: string,
  nodes: readonly { readonly id: string; readonly drainedAt: number | null }[],
): Promise<ReadonlySet<string>> {
  const drained = nodes.filter(({ drainedAt }) => drainedAt !== null);
  if (drained.length === 0) return new Set();
  const ended = await succeededJobs(sql, DRAIN_JOB, leader);
  const unfinished = drained.filter(
    ({ id, drainedAt }) =>
      !ended.some(
        ({ input, createdAt }) => createdAt >= (drainedAt ?? 0) && drainInput.safeParse(input).data?.node === id,
      ),
  );
  return new Set(unfinished.map(({ id }) => id));
}
