import type { Token } from "node-llama-cpp";
import type { Sampling } from "./chat-call.ts";

/** Uniform numbers in [0, 1) from a seed (the mulberry32 generator). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Samples from the model's own probabilities, highest first, as llama.cpp's chain does: top k, top p, min p, then the
 * temperature. For requests that ask for log probabilities: the library gives them only after its own cuts, by which a
 * sampled token's real one is lost.
 */
export function chooseToken(
  probabilities: ReadonlyMap<Token, number>,
  sampling: Sampling,
  random: () => number,
): Token {
  const { temperature, topK, topP, minP } = sampling;
  const candidates: { token: Token; probability: number }[] = [];
  let sum = 0;
  let highest = 0;
  for (const [token, probability] of probabilities) {
    if (candidates.length === 0) highest = probability;
    const enough = topK > 0 && candidates.length >= topK;
    if (candidates.length > 0 && (temperature === 0 || enough || sum >= topP || probability < minP * highest)) break;
    candidates.push({ token, probability });
    sum += probability;
  }
  const weights = candidates.map(({ probability }) => (probability / highest) ** (1 / Math.max(temperature, 1e-6)));
  let at = random() * weights.reduce((total, weight) => total + weight, 0);
  const chosen = candidates.find((_, index) => (at -= weights[index] ?? 0) < 0) ?? candidates.at(-1);
  if (chosen === undefined) throw new Error("the model gave no probabilities");
  return chosen.token;
}
