export type Token =
  | {
      readonly kind: "option";
      readonly name: string;
      /** As it was typed, without a value. */
      readonly rawName: string;
      readonly value: string | undefined;
      /** The value came with `=`. */
      readonly inlineValue: boolean;
    }
  | { readonly kind: "positional"; readonly value: string };

export interface Option {
  readonly type: "boolean" | "string";
  readonly short?: string;
}

/**
 * What `parseArgs` of Bun's `node:util` makes of a command line when it is not strict, to the letter. To load `node:util` takes a
 * tenth of the time that most commands take. Only options without a value may have a short name here.
 */
export function argvTokens(args: readonly string[], options: Readonly<Record<string, Option>>): readonly Token[] {
  const longOf = (short: string): string =>
    Object.keys(options).find((name) => options[name]?.short === short) ?? short;
  const tokens: Token[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? "";
    if (arg === "--") {
      for (const value of args.slice(at + 1)) tokens.push({ kind: "positional", value });
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      tokens.push({ kind: "positional", value: arg });
      continue;
    }
    if (!arg.startsWith("--")) {
      for (const short of arg.slice(1)) {
        tokens.push({
          kind: "option",
          name: longOf(short),
          rawName: `-${short}`,
          value: undefined,
          inlineValue: false,
        });
      }
      continue;
    }
    // What begins with `=` is a name to its end.
    const equals = arg[2] === "=" ? -1 : arg.indexOf("=", 3);
    const rawName = equals < 0 ? arg : arg.slice(0, equals);
    const name = rawName.slice(2);
    const takesNext = equals < 0 && Object.hasOwn(options, name) && options[name]?.type === "string";
    if (takesNext) at += 1;
    const value = equals < 0 ? (takesNext ? args[at] : undefined) : arg.slice(equals + 1);
    tokens.push({ kind: "option", name, rawName, value, inlineValue: equals >= 0 });
  }
  return tokens;
}
