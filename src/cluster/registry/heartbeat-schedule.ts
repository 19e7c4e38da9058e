/** How often a node beats while the cluster is small. */
export const BASE_INTERVAL_MS = 5_000;
/** So many beats missed in a row take a node out of routing. */
export const MISSED_BEATS = 3;
/** What a beat may be late by on a busy machine or network, on top of the missed ones. */
export const GRACE_MS = 1_000;
/** What one leader takes in without anybody noticing; more nodes beat less often. */
const BEATS_PER_SECOND = 50;
/**
 * Nodes of the same such moment beat together, five at most: one that is woken for each alone, with cold caches, pays half as
 * much again (docs/benchmarks.md), and a handful holds nobody up.
 */
const MOMENT_MS = 100;

/** The pause between two beats of one node in a cluster of `nodes`: 5 s up to 250 nodes, then longer. */
export function intervalFor(nodes: number): number {
  return Math.max(BASE_INTERVAL_MS, Math.ceil((nodes / BEATS_PER_SECOND) * 1000));
}

/**
 * When the node with this place in line should beat next, from now. Each node has its own moment within the
 * interval; one that beats at another moment is led there over its next beat, by half an interval at most, so that a
 * leader's restart, after which all come at once, does not keep them in step for ever.
 */
export function nextBeatMs(place: number, nodes: number, intervalMs: number, nowMs: number): number {
  const evenly = (intervalMs * (place % Math.max(1, nodes))) / Math.max(1, nodes);
  const own = evenly - (evenly % MOMENT_MS);
  const phase = nowMs % intervalMs;
  const ahead = (own - phase + intervalMs) % intervalMs;
  // Between half and one and a half of the interval lies exactly one moment of its own.
  return Math.round(ahead < intervalMs / 2 ? ahead + intervalMs : ahead);
}

/** How long after a beat the node counts as alive, when it was told to beat again in `nextMs`. */
export function leaseMs(intervalMs: number, nextMs: number): number {
  return Math.max(nextMs, intervalMs) + (MISSED_BEATS - 1) * intervalMs + GRACE_MS;
}
