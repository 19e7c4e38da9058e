import { err, ok, type Result } from "../core/result.ts";

/** What a model takes, before it is loaded. */
export interface MemoryEstimate {
  readonly weightsBytes: number;
  /** Tokens that the model was trained for. */
  readonly trainedTokens: number;
  contextBytes(contextTokens: number, slots: number): Promise<ContextBytes>;
}

export interface ContextBytes {
  /** Keys and values, which grow with the tokens. */
  readonly cacheBytes: number;
  /** What the computation itself needs. */
  readonly computeBytes: number;
}

export interface FitWish {
  /** 0: as fits. */
  readonly contextTokens: number;
  /** 0: as fits. */
  readonly slots: number;
  readonly freeBytes: number;
}

export interface Fit extends ContextBytes {
  readonly contextTokens: number;
  readonly slots: number;
  readonly weightsBytes: number;
  readonly freeBytes: number;
}

/** Wider ones take memory that few conversations use; who needs one asks for it. */
const WIDEST_CHOSEN_TOKENS = 32_768;
const ENOUGH_TOKENS = 8_192;
const LEAST_CHOSEN_TOKENS = 2_048;
const SLOTS_CHOSEN = [4, 2, 1] as const;
/** What is chosen unasked leaves so much of the memory beside the weights to others. */
export const SHARE_LEFT = 0.5;

/**
 * Decides on context and slots, or says with the numbers why the model cannot be loaded. What was asked for is given as
 * long as it fits at all; what was not is chosen modestly: first a usable context for several, then ever less.
 */
export async function fit(wish: FitWish, estimate: MemoryEstimate): Promise<Result<Fit, string>> {
  const { freeBytes } = wish;
  const { weightsBytes } = estimate;
  const choices = choicesOf(wish, estimate.trainedTokens);
  const chosen = choices.length > 1;
  let least: Fit | null = null;
  for (const { contextTokens, slots } of choices) {
    least = { contextTokens, slots, weightsBytes, freeBytes, ...(await estimate.contextBytes(contextTokens, slots)) };
    const rest = least.cacheBytes + least.computeBytes;
    if (rest <= (freeBytes - weightsBytes) * (chosen ? SHARE_LEFT : 1)) return ok(least);
  }
  if (least === null) throw new Error("there is no choice to be made");
  if (total(least) <= freeBytes) return ok(least);
  return err(`${inNumbers(least)}; ${await mend(least, estimate)}`);
}

/** From the most wanted to the least. */
export function choicesOf(
  wish: Pick<FitWish, "contextTokens" | "slots">,
  trainedTokens: number,
): { contextTokens: number; slots: number }[] {
  const slots = wish.slots > 0 ? [wish.slots] : SLOTS_CHOSEN;
  const widths = wish.contextTokens > 0 ? [Math.min(wish.contextTokens, trainedTokens)] : widthsOf(trainedTokens);
  const pairs = (among: readonly number[]) =>
    slots.flatMap((count) => among.map((contextTokens) => ({ contextTokens, slots: count })));
  return [
    ...pairs(widths.filter((tokens) => tokens >= ENOUGH_TOKENS)),
    ...pairs(widths.filter((tokens) => tokens < ENOUGH_TOKENS)),
  ];
}

function widthsOf(trainedTokens: number): number[] {
  const widths = [Math.min(trainedTokens, WIDEST_CHOSEN_TOKENS)];
  for (let tokens = WIDEST_CHOSEN_TOKENS / 2; tokens >= LEAST_CHOSEN_TOKENS; tokens /= 2) {
    if (tokens < trainedTokens) widths.push(tokens);
  }
  return widths;
}

function total(need: Fit): number {
  return need.weightsBytes + need.cacheBytes + need.computeBytes;
}

function inNumbers(need: Fit): string {
  const parts = `weights ${gigabytes(need.weightsBytes)}, context ${gigabytes(need.cacheBytes)}, compute ${gigabytes(need.computeBytes)}`;
  return `model needs ${gigabytes(total(need))} GB (${parts}), ${gigabytes(need.freeBytes)} GB are free`;
}

/** The widest context that would do, where there is one. */
async function mend(need: Fit, estimate: MemoryEstimate): Promise<string> {
  for (let tokens = need.contextTokens / 2; tokens >= 512; tokens /= 2) {
    const contextTokens = Math.floor(tokens / 256) * 256;
    const bytes = await estimate.contextBytes(contextTokens, need.slots);
    if (need.weightsBytes + bytes.cacheBytes + bytes.computeBytes <= need.freeBytes) {
      return `use a smaller quantisation or --engine-embedded-context ${contextTokens}`;
    }
  }
  return need.slots > 1
    ? "use a smaller quantisation, a smaller model or --engine-embedded-slots 1"
    : "use a smaller quantisation or a smaller model";
}

function gigabytes(bytes: number): string {
  return (Math.max(0, bytes) / 1e9).toFixed(1);
}
