import { hasEffect, type LoadedConfig, type Source } from "./load.ts";
import { HIDDEN, redactUrl } from "./redact-url.ts";
import { type AnySetting, SETTINGS } from "./settings.ts";

/** One line of `flock config show` and of the admin API's `GET /admin/v1/config`. Never holds a secret. */
export interface ConfigRow {
  readonly key: string;
  readonly value: string | number | boolean;
  readonly origin: Source;
  readonly detail: string;
  readonly effective: boolean;
  readonly secret: boolean;
}

/** Every setting with its value and who set it, secrets replaced by `[redacted]`; one that is not set stays "". */
export function describeConfig(loaded: LoadedConfig): ConfigRow[] {
  return SETTINGS.map((setting) => {
    const value = valueAt(loaded.values, setting.key);
    const from = loaded.origin[setting.key];
    return {
      key: setting.key,
      value: redact(setting, value),
      origin: from.source,
      detail: from.detail,
      effective: hasEffect(setting, value),
      secret: setting.secret,
    };
  });
}

function redact(setting: AnySetting, value: string | number | boolean): string | number | boolean {
  if (typeof value !== "string") return value;
  if (setting.secret) return value === "" ? "" : HIDDEN;
  return redactUrl(value);
}

function valueAt(tree: object, key: string): string | number | boolean {
  let at: unknown = tree;
  for (const part of key.split(".")) at = (at as Record<string, unknown>)[part];
  return at as string | number | boolean;
}
