import { nearest } from "../config/nearest.ts";

/** `; did you mean X?`, or nothing when no candidate is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const guess = nearest(word, candidates);
  return guess === null ? "" : `; did you mean ${guess}?`;
}

/** The command that was probably meant by `words`, which name none: by its whole name, then by its last word. */
export function nearestCommand(words: readonly string[], names: readonly string[]): string | null {
  const [first = "", second] = words;
  const groups = new Set(names.map((name) => name.split(" ")[0] ?? name));
  const group = groups.has(first) ? first : nearest(first, groups);
  if (second !== undefined && group !== null) {
    const inside = names.filter((name) => name.startsWith(`${group} `));
    const guess = nearest(
      second,
      inside.map((name) => name.slice(group.length + 1)),
    );
    if (guess !== null) return `${group} ${guess}`;
  }
  if (group !== null && !groups.has(first)) return group;
  // `flock revoke` for `flock token revoke`.
  return names.find((name) => name.endsWith(` ${first}`)) ?? null;
}
