import { z } from "zod";

type Tokens = number[];
/** A text, the numbers of a model's tokens, or a list of either. */
export type TextOrTokens = string | string[] | Tokens | Tokens[];

interface Problem {
  readonly path: readonly number[];
  readonly message: string;
}

/**
 * Texts or token numbers. Looked through by hand: libraries that cut documents up send a million numbers at once, and a
 * schema takes a microsecond for each.
 */
export function textOrTokens(words: {
  readonly nothing: string;
  readonly noText: string | null;
  readonly noTokens: string;
}) {
  return z.custom<TextOrTokens>().superRefine((value: unknown, context) => {
    const problem = problemOf(value, words);
    if (problem) context.addIssue({ code: "custom", path: [...problem.path], message: problem.message });
  });
}

function problemOf(value: unknown, words: Parameters<typeof textOrTokens>[0]): Problem | null {
  if (typeof value === "string") return value === "" && words.noText !== null ? at([], words.noText) : null;
  if (!Array.isArray(value)) return at([], "must be a text, a list of texts, or lists of token numbers");
  const list = value as readonly unknown[];
  const [first] = list;
  if (first === undefined) return at([], words.nothing);
  if (typeof first === "number") {
    const wrong = wrongToken(list);
    return wrong < 0 ? null : at([wrong], NO_TOKEN);
  }
  for (const [index, one] of list.entries()) {
    if (typeof first === "string") {
      if (typeof one !== "string") return at([index], "must be a text, as the first one is");
      if (one === "" && words.noText !== null) return at([index], words.noText);
      continue;
    }
    if (!Array.isArray(one)) return at([index], "must be a text or a list of token numbers");
    if (one.length === 0) return at([index], words.noTokens);
    const wrong = wrongToken(one);
    if (wrong >= 0) return at([index, wrong], NO_TOKEN);
  }
  return null;
}

const NO_TOKEN = "must be the number of a token: whole, from 0 on";

/** The place of the first that is no token's number; -1: all are. */
function wrongToken(list: readonly unknown[]): number {
  for (let index = 0; index < list.length; index += 1) {
    const one = list[index];
    if (typeof one !== "number" || one < 0 || !Number.isInteger(one)) return index;
  }
  return -1;
}

function at(path: readonly number[], message: string): Problem {
  return { path, message };
}
