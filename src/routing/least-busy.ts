import type { Replica } from "../core/replica.ts";

export interface Load {
  /** Requests in flight on the replica. */
  busy(replicaId: string): number;
}

export interface Pick {
  readonly replica: Replica;
  readonly reason: string;
}

/**
 * Among live replicas of the model: the one with the smallest share of its slots taken, this node before others.
 * Null when none is left. Pure; ties go to the first in the snapshot.
 */
export function leastBusy(
  replicas: readonly Replica[],
  model: string,
  tried: ReadonlySet<string>,
  load: Load,
  localNode: string,
): Pick | null {
  let best: Replica | null = null;
  let bestScore = Number.POSITIVE_INFINITY;
  let candidates = 0;
  for (const replica of replicas) {
    if (replica.model !== model || tried.has(replica.id)) continue;
    candidates += 1;
    // Elsewhere costs a hop: it must be emptier by more than that to win.
    const score = load.busy(replica.id) / Math.max(1, replica.slots) + (replica.node === localNode ? 0 : 0.001);
    if (score < bestScore) {
      best = replica;
      bestScore = score;
    }
  }
  if (!best) return null;
  const reason = candidates === 1 ? "only replica" : `least busy of ${candidates}`;
  return { replica: best, reason };
}
