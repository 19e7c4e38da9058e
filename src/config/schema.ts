import { parseListen } from "./listen.ts";
import { parsePortRange } from "./port-range.ts";

/**
 * How one kind of setting is read. Plain functions instead of zod: importing zod costs 24 ms, half of what a read
 * command may take in all, and every `flock status` would pay it.
 */
export interface SettingType<T> {
  /** Completes "is not …" in an error. */
  readonly expected: string;
  /** From an environment variable or a flag. Null: not of this type. */
  fromText(text: string): T | null;
  /** From the YAML file, where `8080` is a number already. Null: not of this type. */
  fromYaml(value: unknown): T | null;
  /** Paths are expanded against the home directory and the place they were written in, after reading. */
  readonly isPath?: true;
  readonly choices?: readonly string[];
}

export const text: SettingType<string> = {
  expected: "a text",
  fromText: (text) => text,
  fromYaml: (value) => (typeof value === "string" ? value : null),
};

const WORDS: Readonly<Record<string, boolean>> = {
  "1": true,
  true: true,
  yes: true,
  on: true,
  "0": false,
  false: false,
  no: false,
  off: false,
};

export const bool: SettingType<boolean> = {
  expected: "true or false",
  fromText: (text) => WORDS[text.trim().toLowerCase()] ?? null,
  fromYaml: (value) => (typeof value === "boolean" ? value : null),
};

export function integer(min: number, max: number): SettingType<number> {
  return range(
    `a whole number from ${min} to ${max}`,
    (value) => Number.isInteger(value) && value >= min && value <= max,
  );
}

export function number(min: number, max: number): SettingType<number> {
  return range(`a number from ${min} to ${max}`, (value) => value >= min && value <= max);
}

export function choice<const T extends string>(...choices: readonly T[]): SettingType<T> {
  const find = (value: unknown): T | null => choices.find((candidate) => candidate === value) ?? null;
  return { expected: `one of ${choices.join(", ")}`, fromText: find, fromYaml: find, choices };
}

export const listen: SettingType<string> = {
  expected: 'an address such as ":8080", "127.0.0.1:8080" or "[::1]:8080"',
  fromText: (text) => (parseListen(text) ? text.trim() : null),
  fromYaml: (value) => (typeof value === "string" || typeof value === "number" ? listen.fromText(String(value)) : null),
};

/** The same, or "" for none of one's own. */
export const listenOrAuto: SettingType<string> = {
  expected: listen.expected,
  fromText: (text) => (text.trim() === "" ? "" : listen.fromText(text)),
  fromYaml: (value) => (value === "" ? "" : listen.fromYaml(value)),
};

/** `28080-28179`; one port alone is a range of one. */
export const portRange: SettingType<string> = {
  expected: 'a range of ports such as "28080-28179"',
  fromText: (text) => (parsePortRange(text) ? text.trim() : null),
  fromYaml: (value) =>
    typeof value === "string" || typeof value === "number" ? portRange.fromText(String(value)) : null,
};

/** An HTTP URL without a trailing slash, or "" for none. */
export const url: SettingType<string> = fromString('a URL such as "http://127.0.0.1:8000"', (text) => {
  if (text === "") return "";
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return null;
  return text.replace(/\/+$/, "");
});

/** Where an engine is; `off`: nowhere, and it is not looked for. */
export const endpoint: SettingType<string> = fromString('a URL such as "http://127.0.0.1:8000", or off', (text) =>
  text === "off" ? "" : url.fromText(text),
);

/** What an OTLP collector goes by: a URL, or a bare `host:port`; "" for none. */
export const collector: SettingType<string> = fromString(
  'a URL such as "http://localhost:4318", or host:port',
  (text) => (/^[A-Za-z0-9.-]+:\d{1,5}$/.test(text) ? text : url.fromText(text)),
);

export const path: SettingType<string> = { ...fromString("a path", (text) => text), isPath: true };

/** A file for SQLite, or the URL of a database server. */
export const dsn: SettingType<string> = {
  ...fromString("a file, or a postgres:// URL", (text) => (text === "" ? null : text)),
  isPath: true,
};

function fromString(expected: string, read: (text: string) => string | null): SettingType<string> {
  const trimmed = (text: string): string | null => read(text.trim());
  return { expected, fromText: trimmed, fromYaml: (value) => (typeof value === "string" ? trimmed(value) : null) };
}

function range(expected: string, fits: (value: number) => boolean): SettingType<number> {
  return {
    expected,
    fromText: (text) => {
      const value = /^[+-]?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN;
      return fits(value) ? value : null;
    },
    fromYaml: (value) => (typeof value === "number" && fits(value) ? value : null),
  };
}
