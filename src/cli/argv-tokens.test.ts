import { expect, test } from "bun:test";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { argvTokens, type Option, type Token } from "./argv-tokens.ts";

const OPTIONS: Record<string, Option> = {
  help: { type: "boolean", short: "h" },
  follow: { type: "boolean", short: "f" },
  url: { type: "string" },
  json: { type: "boolean" },
};

function ofNode(args: string[]): Token[] {
  const { tokens } = parseArgs({ args, options: OPTIONS, strict: false, allowPositionals: true, tokens: true });
  return tokens.flatMap((token): Token[] => {
    if (token.kind === "positional") return [{ kind: token.kind, value: token.value }];
    if (token.kind !== "option") return [];
    const { kind, name, rawName, value, inlineValue = false } = token;
    return [{ kind, name, rawName, value, inlineValue }];
  });
}

const word = fc.oneof(
  fc.constantFrom(
    "--",
    "-",
    "--url",
    "--url=",
    "--url=--x",
    "--json=false",
    "--no-json",
    "-h",
    "-hf",
    "-hz",
    "-z",
    "--=x",
    "--=x=y",
    "--==",
  ),
  fc.constantFrom(
    "--help",
    "--nothing",
    "--nothing=1",
    "--constructor",
    "model",
    "ls",
    "",
    "-5",
    "--a=b=c",
    "--url=-1",
  ),
  fc.string({ maxLength: 6 }),
  fc.string({ maxLength: 4 }).map((text) => `-${text}`),
  fc.string({ maxLength: 4 }).map((text) => `--${text}`),
);

test("every command line is cut as Bun's node:util cuts it", () => {
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (args) => {
      expect(argvTokens(args, OPTIONS)).toEqual(ofNode(args));
    }),
    { numRuns: 3000 },
  );
});
