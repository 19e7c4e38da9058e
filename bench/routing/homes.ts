import type { Placed } from "./simulate.ts";

/** Where each shared beginning was served most often between two moments. */
export function homes(placed: readonly Placed[], fromMs: number, toMs: number): Map<number, number> {
  const counts = new Map<number, Map<number, number>>();
  for (const { atMs, prefix, replica } of placed) {
    if (atMs < fromMs || atMs >= toMs) continue;
    const of = counts.get(prefix) ?? new Map<number, number>();
    counts.set(prefix, of);
    of.set(replica, (of.get(replica) ?? 0) + 1);
  }
  const found = new Map<number, number>();
  for (const [prefix, of] of counts) {
    const [most] = [...of].toSorted((a, b) => b[1] - a[1]);
    if (most) found.set(prefix, most[0]);
  }
  return found;
}

/** The beginnings that are served elsewhere afterwards, of those that both know. */
export function moved(before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): number[] {
  return [...before].filter(([prefix, home]) => (after.get(prefix) ?? home) !== home).map(([prefix]) => prefix);
}
