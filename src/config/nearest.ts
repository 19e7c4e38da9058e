/**
 * Damerau-Levenshtein (optimal string alignment): insertions, deletions, substitutions and swaps of neighbours each
 * cost one, so that the two commonest slips of a hand, a missed letter and a swapped pair, are equally near.
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let best = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) best = Math.min(best, (beforeLast[column - 2] ?? 0) + 1);
      current.push(best);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] ?? 0;
}

/** The candidate that was probably meant, or null when none is near enough to be worth a guess. */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  const wanted = word.toLowerCase();
  // A third of the letters may be wrong: `up` has no neighbours, `lsiten` finds `listen`.
  let bestDistance = Math.min(4, Math.floor(wanted.length / 3) + 1);
  let best: string | null = null;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < Math.min(bestDistance, candidate.length)) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best ?? Array.from(candidates).find((candidate) => wanted.length >= 3 && candidate.startsWith(wanted)) ?? null;
}
