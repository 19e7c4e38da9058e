/** Damerau-Levenshtein (optimal string alignment): edits, swaps of neighbours counting one. */
export function textDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** The names closest to `wanted`, best first; names that only share nothing are left out. */
export function nearestNames(wanted: string, names: Iterable<string>, most = 3): string[] {
  const lower = wanted.slice(0, 200).toLowerCase();
  const limit = Math.max(2, Math.floor(lower.length * 0.4));
  return [...names]
    .map((name) => {
      const candidate = name.toLowerCase();
      const contains = lower.length >= 3 && (candidate.includes(lower) || lower.includes(candidate));
      return { name, distance: contains ? 1 : textDistance(lower, candidate) };
    })
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name))
    .slice(0, most)
    .map(({ name }) => name);
}
