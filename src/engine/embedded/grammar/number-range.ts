import { either, literal } from "./gbnf.ts";

/** As in the shared rule `integer`. */
const MOST_DIGITS = 15;
const LARGEST = 10 ** MOST_DIGITS - 1;

/** Grammar of the whole numbers from `least` to `most`; null: no bound on that side. Null: there is none between. */
export function integerRange(least: number | null, most: number | null): string | null {
  const low = Math.max(Math.ceil(least ?? -LARGEST), -LARGEST);
  const high = Math.min(Math.floor(most ?? LARGEST), LARGEST);
  if (low > high) return null;
  const choices: string[] = [];
  if (low < 0) choices.push(`"-" ${naturals(Math.max(1, -high), -low)}`);
  if (high >= 0) choices.push(naturals(Math.max(0, low), high));
  return either(choices);
}

export interface NumberBounds {
  readonly least: number | null;
  readonly most: number | null;
  /** The bound itself is left out. */
  readonly openLeast: boolean;
  readonly openMost: boolean;
}

/** Grammar of decimal numbers between whole bounds. Null: there is none between. */
export function numberRange(bounds: NumberBounds): string | null {
  const { least, most, openLeast, openMost } = bounds;
  const choices: string[] = [];
  if (most === null || most > 0 || (most === 0 && !openMost)) {
    const from = least !== null && least >= 0 ? { at: least, open: openLeast } : { at: 0, open: false };
    choices.push(...magnitudes(from, { at: most ?? LARGEST, open: openMost && most !== null }));
  }
  if (least === null || least < 0) {
    const from = most !== null && most < 0 ? { at: -most, open: openMost } : { at: 0, open: true };
    const negative = magnitudes(from, { at: -(least ?? -LARGEST), open: openLeast && least !== null });
    choices.push(...negative.map((choice) => `"-" ${choice}`));
  }
  return choices.length === 0 ? null : either(choices);
}

/** Numbers without sign from one whole bound to another. */
function magnitudes(from: { at: number; open: boolean }, to: { at: number; open: boolean }): string[] {
  if (from.at > to.at) return [];
  if (from.at === to.at) return from.open || to.open ? [] : [literal(String(from.at))];
  const choices: string[] = [];
  // The first whole number with any fraction behind it, or with one that is not zero where the bound is left out.
  choices.push(
    `${literal(String(from.at))} ${from.open ? '"." [0-9]{0,13} [1-9]' : '("." [0-9]{1,14})?'}`,
    ...(from.at + 1 <= to.at - 1 ? [`${naturals(from.at + 1, to.at - 1)} ("." [0-9]{1,14})?`] : []),
  );
  if (!to.open) choices.push(literal(String(to.at)));
  return choices;
}

/** 0 ≤ low ≤ high, without leading zeros. */
function naturals(low: number, high: number): string {
  const choices: string[] = [];
  let from = low;
  while (from <= high) {
    const to = Math.min(high, 10 ** String(from).length - 1);
    choices.push(sameLength(String(from), String(to)));
    from = to + 1;
  }
  return either(choices);
}

function sameLength(low: string, high: string): string {
  if (low === high) return literal(low);
  const [a = "", b = ""] = [low[0], high[0]];
  const rest = low.length - 1;
  if (a === b) return `${literal(a)} ${sameLength(low.slice(1), high.slice(1))}`;
  if (rest === 0) return digits(a, b);
  const choices: string[] = [];
  let first = Number(a);
  let last = Number(b);
  if (/[1-9]/.test(low.slice(1))) {
    choices.push(`${literal(a)} ${sameLength(low.slice(1), "9".repeat(rest))}`);
    first++;
  }
  const whole = /^9*$/.test(high.slice(1));
  if (!whole) last--;
  if (first <= last) choices.push(`${digits(String(first), String(last))} [0-9]{${rest}}`);
  if (!whole) choices.push(`${literal(b)} ${sameLength("0".repeat(rest), high.slice(1))}`);
  return either(choices);
}

function digits(from: string, to: string): string {
  return from === to ? literal(from) : `[${from}-${to}]`;
}
