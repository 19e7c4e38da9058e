/** Rules that every grammar here may use. JSON as models write it: little white space, numbers that stay exact. */
const SHARED: Readonly<Record<string, string>> = {
  ws: String.raw`| " " | "\n" [ \t]{0,20}`,
  // Nothing that is no character by itself: halves of surrogate pairs would make lengths uncountable.
  char: String.raw`[\x20-\x21\x23-\x5B\x5D-\x7E\u0080-\uD7FF\uE000-\uFFFF\U00010000-\U0010FFFF] | "\\" (["\\bfnrt/] | "u" ([0-9a-cA-CefEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))`,
  string: String.raw`"\"" char* "\""`,
  // Fifteen digits: more would not survive a double.
  integer: String.raw`"-"? ("0" | [1-9] [0-9]{0,14})`,
  number: String.raw`integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?`,
  boolean: String.raw`"true" | "false"`,
  null: String.raw`"null"`,
  value: "object | array | string | number | boolean | null",
  object: String.raw`"{" ws (string ws ":" ws value (ws "," ws string ws ":" ws value)*)? ws "}"`,
  array: String.raw`"[" ws (value (ws "," ws value)*)? ws "]"`,
  date: String.raw`[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8])`,
  time: String.raw`([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{3})? ("Z" | [-+] ("0" [0-9] | "1" [0-3]) ":" [0-5] [0-9])`,
  uuid: String.raw`[0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12}`,
};

/** Collects named rules. Whoever asks for a shared rule by its name gets it, with all that it needs. */
export class GbnfRules {
  readonly #rules = new Map<string, string>();
  #count = 0;

  /** A name that no other rule has. */
  reserve(): string {
    return `r${this.#count++}`;
  }

  define(name: string, body: string): string {
    this.#rules.set(name, body);
    return name;
  }

  add(body: string): string {
    return this.define(this.reserve(), body);
  }

  toText(root: string): string {
    const bodies = new Map<string, string>([["root", root], ...this.#rules]);
    const pending = [...bodies.values()];
    for (let body = pending.pop(); body !== undefined; body = pending.pop()) {
      for (const name of namesIn(body)) {
        const shared = SHARED[name];
        if (shared === undefined || bodies.has(name)) continue;
        bodies.set(name, shared);
        pending.push(shared);
      }
    }
    return [...bodies].map(([name, body]) => `${name} ::= ${body}`).join("\n");
  }
}

/** The words of a body outside of its literals and character classes. */
function namesIn(body: string): string[] {
  return body.replaceAll(/"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|\{[0-9,]*\}/g, " ").match(/[a-z][a-z0-9-]*/g) ?? [];
}

/** A GBNF literal of exactly this text. */
export function literal(text: string): string {
  const escaped = text.replaceAll(/["\\\p{Cc}]/gu, (character) => {
    const short = SHORT_ESCAPES[character];
    return short ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`;
  });
  return `"${escaped}"`;
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': String.raw`\"`,
  "\\": String.raw`\\`,
  "\n": String.raw`\n`,
  "\r": String.raw`\r`,
  "\t": String.raw`\t`,
};

/** `item` so many times. */
export function repeated(item: string, least: number, most: number | null): string {
  if (most === 0) return '""';
  if (least === 1 && most === 1) return item;
  // llama.cpp counts the brackets around a name as one more rule for each time.
  const one = /^[a-z]\w*$/.test(item) ? item : `(${item})`;
  if (most !== null) return `${one}{${least},${most}}`;
  return least === 0 ? `${one}*` : least === 1 ? `${one}+` : `${one}{${least},}`;
}

/** `item` so many times, with `,` between. */
export function listed(item: string, least: number, most: number | null): string {
  if (most === 0) return '""';
  const rest = repeated(`ws "," ws ${item}`, Math.max(0, least - 1), most === null ? null : most - 1);
  const some = `${item} ${rest}`;
  return least === 0 ? `(${some})?` : some;
}

export function either(choices: readonly string[]): string {
  return choices.length === 1 ? (choices[0] ?? "") : `(${choices.join(" | ")})`;
}
