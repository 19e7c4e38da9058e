import { readFileSync, statSync } from "node:fs";
import { codeOf } from "../core/error-code.ts";
import { err, ok, type Result } from "../core/result.ts";
import { nearest } from "./nearest.ts";
import type { ConfigProblem } from "./problem.ts";
import { type AnySetting, SETTINGS } from "./settings.ts";

/** One setting as the file has it, not yet checked against its type. */
export interface FileEntry {
  readonly setting: AnySetting;
  readonly value: unknown;
  /** `<path>:<line>:<column>` of the value. */
  readonly where: string;
}

export interface ConfigFile {
  readonly exists: boolean;
  readonly entries: readonly FileEntry[];
  readonly problems: readonly ConfigProblem[];
  /** Whether other users of the machine can read it. */
  readonly readableByOthers: boolean;
}

const NO_FILE: ConfigFile = { exists: false, entries: [], problems: [], readableByOthers: false };
const BY_KEY: ReadonlyMap<string, AnySetting> = new Map(SETTINGS.map((setting) => [setting.key, setting]));
const FILE_KEYS = SETTINGS.filter((setting) => setting.inFile).map((setting) => setting.key);
const SECTIONS = new Set(SETTINGS.flatMap((setting) => sectionsOf(setting.key)));

/** Reads the file's keys with their places. A file that is not there is empty; any other trouble is a problem. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const source = readText(path);
  if (!source.ok) return { ...NO_FILE, exists: true, problems: [source.error] };
  if (source.value === null) return NO_FILE;
  // Imported only when there is a file: it costs as much as a whole read command.
  const yaml = await import("yaml");
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(source.value.text, { lineCounter: lines, prettyErrors: false });
  const placeAt = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${Math.max(line, 1)}:${Math.max(col, 1)}`;
  };
  const problems: ConfigProblem[] = document.errors.map((error) => ({
    ...problem(placeAt(error.pos[0]), null, `is not valid YAML: ${error.message.split("\n")[0]}`),
    mend: "Correct that line; quote values that hold a colon, a bracket or a #",
  }));
  const entries: FileEntry[] = [];

  const walk = (node: unknown, prefix: string): void => {
    if (!yaml.isMap(node)) {
      const offset = yaml.isNode(node) ? (node.range?.[0] ?? 0) : 0;
      const name = prefix === "" ? "The file" : prefix;
      problems.push(problem(placeAt(offset), prefix || null, `${name} must hold settings as "key: value" lines`));
      return;
    }
    for (const pair of node.items) {
      const keyNode = yaml.isScalar(pair.key) ? pair.key : null;
      const key = prefix === "" ? String(keyNode?.value) : `${prefix}.${String(keyNode?.value)}`;
      const keyPlace = placeAt(keyNode?.range?.[0] ?? node.range?.[0] ?? 0);
      const value = yaml.isAlias(pair.value) ? pair.value.resolve(document) : pair.value;
      const blank = value === null || value === undefined || (yaml.isScalar(value) && value.value === null);
      // A dotted name is never a key itself, although it reads like one.
      const written = String(keyNode?.value).includes(".") ? undefined : BY_KEY.get(key);
      if (SECTIONS.has(key) && !written) {
        // A section whose every line is commented out is no mistake.
        if (!blank) walk(value, key);
      } else if (!written || !written.inFile) {
        problems.push(unknownKey(keyPlace, key, prefix));
      } else if (blank) {
        problems.push({ ...problem(keyPlace, key, `${key} has no value`), mend: "Write a value, or remove the line" });
      } else {
        const place = yaml.isNode(value) ? placeAt(value.range?.[0] ?? 0) : keyPlace;
        const plain: unknown = yaml.isScalar(value) ? value.value : yaml.isNode(value) ? value.toJS(document) : value;
        entries.push({ setting: written, value: plain, where: place });
      }
    }
  };
  if (problems.length === 0 && document.contents !== null) walk(document.contents, "");
  return { exists: true, entries, problems, readableByOthers: source.value.readableByOthers };
}

function readText(path: string): Result<{ text: string; readableByOthers: boolean } | null, ConfigProblem> {
  try {
    const mode = statSync(path).mode;
    return ok({ text: readFileSync(path, "utf8"), readableByOthers: (mode & 0o044) !== 0 });
  } catch (error) {
    const code = codeOf(error);
    // ENOTDIR: the data directory itself is no directory; whoever opens it says so better.
    if (code === "ENOENT" || code === "ENOTDIR") return ok(null);
    const mend = code === "EISDIR" ? `Move it away: mv ${path} ${path}.old` : `Make it readable: chmod u+r ${path}`;
    return err({ ...problem(path, null, `cannot be read (${code || "unknown error"})`), mend });
  }
}

function unknownKey(where: string, key: string, prefix: string): ConfigProblem {
  const known = BY_KEY.get(key);
  if (known && !known.inFile) {
    const message = `${key} is not read from the file`;
    return { ...problem(where, key, message), mend: `Set ${known.env} in the environment and remove the line` };
  }
  if (known) {
    const nested = key.split(".").join(": { ") + ": …" + " }".repeat(key.split(".").length - 1);
    return { ...problem(where, key, `${key} is written with dots`), mend: `Nest it: ${nested}` };
  }
  const guess = nearest(key, [...FILE_KEYS, ...SECTIONS]) ?? sameName(key);
  const place = prefix === "" ? "" : ` under ${prefix}`;
  const name = key.slice(prefix === "" ? 0 : prefix.length + 1);
  return {
    ...problem(where, key, `unknown key "${name}"${place}${guess === null ? "" : `; did you mean ${guess}?`}`),
    mend:
      guess === null ? "Remove the line; `flock config show` lists every key" : `Write ${guess}, or remove the line`,
  };
}

/** A right name in the wrong section: `require_keys` at the top. */
function sameName(key: string): string | null {
  const last = key.slice(key.lastIndexOf(".") + 1);
  return FILE_KEYS.find((candidate) => candidate.endsWith(`.${last}`)) ?? null;
}

function problem(where: string, key: string | null, message: string): ConfigProblem {
  return { source: "file", where, key, message, mend: "`flock config show` lists every key" };
}

/** `router.fallback.enabled` lies in `router` and in `router.fallback`. */
function sectionsOf(key: string): string[] {
  const parts = key.split(".").slice(0, -1);
  return parts.map((_, depth) => parts.slice(0, depth + 1).join("."));
}
