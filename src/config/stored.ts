import type { LoadedConfig, Origin } from "./load.ts";
import { type AnySetting, type Config, type SettingKey, SETTINGS } from "./settings.ts";

/** Settings that may be changed while Flock runs; they are kept in its database. */
const STORABLE: ReadonlySet<string> = new Set<SettingKey>(["router.default_model"]);

/** What is stronger than the store and sets this already: a variable's or a flag's name; null: nothing. */
export function shadowOf(config: LoadedConfig, key: SettingKey): string | null {
  const { source, detail } = config.origin[key];
  return source === "env" || source === "flag" ? detail : null;
}

/** The configuration with what was changed at run time, which beats the file and is beaten by environment and flags. */
export function withStored(config: LoadedConfig, stored: ReadonlyMap<string, unknown>): LoadedConfig {
  const values = structuredClone(config.values) as Record<string, unknown>;
  const origin: Record<SettingKey, Origin> = { ...config.origin };
  const settings: readonly AnySetting[] = SETTINGS;
  for (const setting of settings) {
    if (!STORABLE.has(setting.key) || !stored.has(setting.key)) continue;
    if (shadowOf(config, setting.key as SettingKey) !== null) continue;
    // Another version of Flock may have stored what this one cannot read: then the file counts.
    const value = setting.type.fromYaml(stored.get(setting.key));
    if (value === null) continue;
    put(values, setting.key, value);
    origin[setting.key as SettingKey] = { source: "store", detail: "" };
  }
  return { ...config, values: freeze(values) as Config, origin };
}

function put(root: Record<string, unknown>, key: string, value: unknown): void {
  const parts = key.split(".");
  const last = parts.pop() ?? key;
  let at = root;
  for (const part of parts) at = at[part] as Record<string, unknown>;
  at[last] = value;
}

function freeze(tree: Record<string, unknown>): Readonly<Record<string, unknown>> {
  for (const value of Object.values(tree)) {
    if (typeof value === "object" && value !== null) freeze(value as Record<string, unknown>);
  }
  return Object.freeze(tree);
}
