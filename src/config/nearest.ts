import { textDistance } from "../core/text-distance.ts";

/** The candidate that was probably meant, or null when none is near enough to be worth a guess. */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  const wanted = word.toLowerCase();
  // A third of the letters may be wrong: `up` has no neighbours, `lsiten` finds `listen`.
  let bestDistance = Math.min(4, Math.floor(wanted.length / 3) + 1);
  let best: string | null = null;
  for (const candidate of candidates) {
    const distance = textDistance(wanted, candidate.toLowerCase());
    if (distance < Math.min(bestDistance, candidate.length)) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best ?? Array.from(candidates).find((candidate) => wanted.length >= 3 && candidate.startsWith(wanted)) ?? null;
}
