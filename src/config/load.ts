import { realpathSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result } from "../core/result.ts";
import { checkTogether } from "./check-together.ts";
import { dataDirectory, expandHome } from "./data-directory.ts";
import { type ConfigFile, readConfigFile } from "./file.ts";
import { nearest } from "./nearest.ts";
import { readNodeFile } from "./node-file.ts";
import { type ConfigProblem, shown } from "./problem.ts";
import { holdsPassword } from "./redact-url.ts";
import { type AnySetting, type Config, OTHER_VARIABLES, type SettingKey, SETTINGS } from "./settings.ts";

/** Who set a value, weakest first. `store`: changed at run time, see stored.ts. */
export type Source = "default" | "file" | "store" | "env" | "flag";

export interface Origin {
  readonly source: Source;
  /** `<path>:<line>:<column>`, the variable or the flag; "" for a default. */
  readonly detail: string;
}

export interface LoadedConfig {
  readonly values: Config;
  readonly origin: Readonly<Record<SettingKey, Origin>>;
  /**
   * What variables and flags have set, as variables: who starts with these, wherever, gets the same values. Secrets are
   * among them. The data directory is not: it says whose settings these are.
   */
  readonly given: Readonly<Record<string, string>>;
  /** Not wrong, but probably not meant: one line each. */
  readonly warnings: readonly string[];
  /** Of the file, whether or not there is one. */
  readonly path: string;
}

export interface ConfigInput {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By the flag's name without dashes: `{ "data-dir": "/srv/flock" }`. */
  readonly flags: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly home: string;
}

/**
 * Reads the configuration once: flag > environment > `node.yaml` > `config.yaml` > default. Every problem is reported, not only the first.
 * An empty environment variable counts as not set. Asynchronous only because the YAML parser is loaded on demand.
 */
export async function loadConfig(input: ConfigInput): Promise<Result<LoadedConfig, readonly ConfigProblem[]>> {
  const home = dataDirectory(input);
  const path = join(home.path, "config.yaml");
  const shared = await readConfigFile(path);
  const node = await readNodeFile(join(home.path, "node.yaml"));
  // The node's own come first: the first entry of a key counts.
  const file = { ...shared, entries: [...node.entries, ...shared.entries] };
  const problems: ConfigProblem[] = [...shared.problems, ...node.problems];
  const values = new Map<string, unknown>();
  const origin: Record<string, Origin> = {};
  const given: Record<string, string> = {};
  const places = { home: input.home, dataDir: home.path };
  for (const setting of SETTINGS as readonly AnySetting[]) {
    const byDefault = typeof setting.default === "function" ? setting.default(places) : setting.default;
    const found =
      setting.key === "data_dir" ? dataDir(home, file, input, problems) : lookUp(setting, file, input, problems);
    if (found?.given !== undefined) given[setting.env] = found.given;
    values.set(setting.key, found?.value ?? byDefault);
    origin[setting.key] = found?.origin ?? { source: "default", detail: "" };
  }
  const config = freeze(nest(values)) as Config;
  const origins = origin as Record<SettingKey, Origin>;
  if (problems.length === 0) problems.push(...checkTogether(config, origins, path));
  if (problems.length > 0) return err(problems);
  return ok({ values: config, origin: origins, given, warnings: warningsOf(input, values, origin, file, path), path });
}

/** False when the setting, or the value it has, does nothing in this version. */
export function hasEffect(setting: AnySetting, value: unknown): boolean {
  return typeof setting.effective === "boolean" ? setting.effective : setting.effective.includes(String(value));
}

type Found = { readonly value: unknown; readonly origin: Origin; readonly given?: string };

function lookUp(setting: AnySetting, file: ConfigFile, input: ConfigInput, problems: ConfigProblem[]): Found | null {
  let found: Found | null = null;
  const take = (source: Exclude<Source, "default" | "store">, detail: string, raw: unknown, base: string): void => {
    const value = source === "file" ? setting.type.fromYaml(raw) : setting.type.fromText(String(raw));
    if (value === null) {
      const message = `${setting.key}: ${shown(raw, setting.secret)} is not ${setting.type.expected}`;
      const guess = typeof raw === "string" ? nearest(raw, setting.type.choices ?? []) : null;
      const mend = `Give ${setting.type.expected}${guess === null ? "" : `; did you mean ${guess}?`}`;
      problems.push({ source, where: detail, key: setting.key, message, mend });
      return;
    }
    const expanded = setting.type.isPath ? expandPath(value, input.home, base) : value;
    const text = setting.type.isPath ? String(expanded) : String(raw);
    found = { value: expanded, origin: { source, detail }, ...(source === "file" ? {} : { given: text }) };
  };
  // Weakest first; a wrong value is an error even where a stronger one hides it, or it would bite on another day.
  const entry = file.entries.find((candidate) => candidate.setting.key === setting.key);
  if (entry) take("file", entry.where, entry.value, dataDirectory(input).path);
  const variable = input.env[setting.env];
  if (variable !== undefined && variable !== "") take("env", setting.env, variable, input.cwd);
  const flag = setting.flag === null ? undefined : input.flags[setting.flag];
  if (flag !== undefined) take("flag", `--${setting.flag}`, flag, input.cwd);
  return found;
}

/** The file lies in the data directory, so it cannot say that the directory is elsewhere. */
function dataDir(
  home: { path: string; origin: Origin },
  file: ConfigFile,
  input: ConfigInput,
  problems: ConfigProblem[],
): Found {
  const entry = file.entries.find((candidate) => candidate.setting.key === "data_dir");
  if (!entry) return { value: home.path, origin: home.origin };
  const written = typeof entry.value === "string" ? expandHome(entry.value, input.home, home.path) : null;
  if (written === null || !samePlace(written, home.path)) {
    const message = `data_dir: ${shown(entry.value, false)} is not the directory that this file was read from (${home.path})`;
    const mend = `Remove the line, and start with FLOCK_DATA_DIR=${written ?? "<directory>"} or --data-dir instead`;
    problems.push({ source: "file", where: entry.where, key: "data_dir", message, mend });
  }
  const origin: Origin = home.origin.source === "default" ? { source: "file", detail: entry.where } : home.origin;
  return { value: home.path, origin };
}

function samePlace(a: string, b: string): boolean {
  const real = (path: string): string => {
    try {
      return realpathSync(path);
    } catch {
      return path;
    }
  };
  return a === b || real(a) === real(b);
}

function expandPath(value: unknown, home: string, base: string): unknown {
  const isPlace = typeof value === "string" && value !== "" && !value.includes("://");
  return isPlace ? expandHome(value, home, base) : value;
}

function warningsOf(
  input: ConfigInput,
  values: ReadonlyMap<string, unknown>,
  origin: Readonly<Record<string, Origin>>,
  file: ConfigFile,
  path: string,
): string[] {
  const settings: readonly AnySetting[] = SETTINGS;
  const warnings: string[] = [];
  const variables = new Set([...settings.map((setting) => setting.env), ...OTHER_VARIABLES]);
  for (const name of Object.keys(input.env)) {
    if (!name.startsWith("FLOCK_") || variables.has(name)) continue;
    const guess = nearest(name, variables);
    warnings.push(
      `The variable ${name} is unknown and has no effect${guess === null ? "" : `; did you mean ${guess}?`}`,
    );
  }
  // Vendors' own variables stand in many shells for other programs' sake: no word about those.
  const idle = settings.filter(
    (setting) =>
      origin[setting.key]?.source !== "default" &&
      (setting.inFile || setting.env.startsWith("FLOCK_")) &&
      values.get(setting.key) !== setting.default &&
      !hasEffect(setting, values.get(setting.key)),
  );
  if (idle.length > 0) {
    const names = idle.map((setting) => setting.key).join(", ");
    warnings.push(`Set, but without effect in this version yet: ${names}`);
  }
  const exposed = file.entries.find(
    ({ setting, value }) => setting.secret || (typeof value === "string" && holdsPassword(value)),
  );
  if (exposed && file.readableByOthers) {
    warnings.push(`${path} holds ${exposed.setting.key} and others can read it; run: chmod 600 ${path}`);
  }
  return warnings;
}

type Tree = { [key: string]: unknown };

function nest(values: ReadonlyMap<string, unknown>): Tree {
  const root: Tree = {};
  for (const [key, value] of values) {
    const parts = key.split(".");
    const last = parts.pop() ?? key;
    let at = root;
    for (const part of parts) at = (at[part] ??= {}) as Tree;
    at[last] = value;
  }
  return root;
}

function freeze(tree: Tree): Tree {
  for (const value of Object.values(tree)) if (typeof value === "object" && value !== null) freeze(value as Tree);
  return Object.freeze(tree);
}
