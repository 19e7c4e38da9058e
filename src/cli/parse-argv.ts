import { err, ok, type Result } from "../core/result.ts";
import { argvTokens, type Option } from "./argv-tokens.ts";
import { type CliFailure, usageFailure } from "./cli-failure.ts";
import type { Command, FlagSpec } from "./command.ts";
import { didYouMean } from "./did-you-mean.ts";

/** A flag that is a setting of the configuration. */
export interface SettingFlag {
  readonly flag: string;
  readonly isBoolean: boolean;
}

/** Flags that every command takes. */
export const GLOBAL_FLAGS = {
  "data-dir": { type: "text", summary: "Flock's directory", placeholder: "path", env: "FLOCK_DATA_DIR" },
  url: { type: "text", summary: "The server to ask, instead of the one that runs here", placeholder: "url" },
  token: { type: "text", summary: "The API key to use", placeholder: "key", env: "FLOCK_TOKEN" },
  help: { type: "boolean", summary: "Show this help" },
} as const satisfies Record<string, FlagSpec>;

export const JSON_FLAG: FlagSpec = { type: "boolean", summary: "Print one JSON document and nothing else" };

export interface ParsedArgv {
  readonly positionals: readonly string[];
  readonly flags: Readonly<Record<string, unknown>>;
  /** Settings among the flags, as given. */
  readonly settingFlags: Readonly<Record<string, string>>;
}

/**
 * Finds the command at the start of the line, between or after global flags: the longest name that the words spell.
 * `words` are the leading words whether or not they are a command.
 */
export function splitCommand(
  argv: readonly string[],
  names: ReadonlySet<string>,
): { readonly name: string | null; readonly words: readonly string[]; readonly rest: readonly string[] } {
  const places: number[] = [];
  for (let at = 0; at < argv.length && places.length < 3; at++) {
    const word = argv[at] ?? "";
    if (!word.startsWith("-")) places.push(at);
    else if (["--data-dir", "--url", "--token"].includes(word)) at++;
    else if (!/^(--data-dir=|--url=|--token=|--json$|--help$|-h$)/.test(word)) break;
  }
  const words = places.map((place) => argv[place] ?? "");
  for (let length = words.length; length > 0; length--) {
    const name = words.slice(0, length).join(" ");
    if (!names.has(name)) continue;
    const own = new Set(places.slice(0, length));
    return { name, words, rest: argv.filter((_, at) => !own.has(at)) };
  }
  return { name: null, words, rest: argv };
}

/** Reads what follows a command's name. `name` is for errors only. */
export function parseArgv(
  rest: readonly string[],
  name: string,
  command: Command,
  settings: readonly SettingFlag[],
): Result<ParsedArgv, CliFailure> {
  const specs: Readonly<Record<string, FlagSpec>> = {
    ...GLOBAL_FLAGS,
    ...(command.json ? { json: JSON_FLAG } : {}),
    ...command.flags,
  };
  const ofSettings = new Map(settings.map((setting) => [setting.flag, setting]));
  const known = [...new Set([...Object.keys(specs), ...ofSettings.keys()])];
  const isBoolean = (flag: string): boolean =>
    specs[flag]?.type === "boolean" || ofSettings.get(flag)?.isBoolean === true;
  const help = `flock ${name} --help`;

  const tokens = argvTokens(rest, {
    ...Object.fromEntries(known.map((flag) => [flag, optionOf(specs[flag], isBoolean(flag))])),
    help: { type: "boolean", short: "h" },
  });

  const flags: Record<string, unknown> = {};
  for (const [flag, spec] of Object.entries(specs)) {
    if (spec.type === "boolean" && spec.default !== null) flags[flag] = spec.default ?? false;
  }
  const settingFlags: Record<string, string> = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const negated = !known.includes(token.name) && token.name.startsWith("no-") && isBoolean(token.name.slice(3));
    const flag = negated ? token.name.slice(3) : token.name;
    if (!known.includes(flag)) {
      const guess = didYouMean(
        token.rawName,
        known.map((candidate) => `--${candidate}`),
      );
      return err(usageFailure(`Unknown flag ${token.rawName} for flock ${name}${guess}`, help));
    }
    const value = isBoolean(flag) ? booleanOf(token.value, negated) : valueOf(token.value, token.inlineValue);
    const spec = specs[flag];
    const read = value === null || spec === undefined ? value : readFlag(spec, value);
    if (read === null) {
      const wanted = spec === undefined ? (isBoolean(flag) ? "true or false" : "a value") : expected(spec);
      const given = token.value === undefined ? "" : `, not ${JSON.stringify(token.value)}`;
      return err(usageFailure(`--${flag} takes ${wanted}${given}`, help));
    }
    if (ofSettings.has(flag) || flag === "data-dir") settingFlags[flag] = String(value);
    const before = flags[flag];
    flags[flag] =
      Array.isArray(read) && Array.isArray(before) ? [...(before as unknown[]), ...(read as unknown[])] : read;
  }
  return ok({ positionals, flags, settingFlags });
}

function booleanOf(text: string | undefined, negated: boolean): string | null {
  if (text === undefined) return String(!negated);
  if (negated) return null;
  const words: Readonly<Record<string, string>> = {
    true: "true",
    yes: "true",
    "1": "true",
    false: "false",
    no: "false",
    "0": "false",
  };
  return words[text.toLowerCase()] ?? null;
}

/** A separate value that looks like a flag is a forgotten value; `--name=-x` is meant. */
function valueOf(text: string | undefined, inline: boolean): string | null {
  return text === undefined || (!inline && /^-./.test(text)) ? null : text;
}

function readFlag(spec: FlagSpec, text: string): unknown {
  switch (spec.type) {
    case "boolean":
      return text === "true";
    case "text":
      return text === "" ? null : text;
    case "choice":
      return spec.choices.includes(text) ? text : null;
    case "list": {
      const parts = text.split(",").map((part) => part.trim());
      return parts.includes("") ? null : parts;
    }
    default: {
      const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      return value >= spec.min && value <= spec.max ? value : null;
    }
  }
}

function expected(spec: FlagSpec): string {
  switch (spec.type) {
    case "boolean":
      return "true or false";
    case "text":
      return `a value (<${spec.placeholder}>)`;
    case "choice":
      return `one of ${spec.choices.join(", ")}`;
    case "list":
      return "names separated by commas";
    default: {
      const range =
        spec.max === Number.MAX_SAFE_INTEGER ? `of at least ${spec.min}` : `from ${spec.min} to ${spec.max}`;
      return `a whole number ${range}`;
    }
  }
}

function optionOf(spec: FlagSpec | undefined, isBoolean: boolean): Option {
  const short = spec?.type === "boolean" ? spec.short : undefined;
  return { type: isBoolean ? "boolean" : "string", ...(short === undefined ? {} : { short }) };
}
