import { redactUrl } from "./redact-url.ts";

/** One thing wrong with the configuration: where it was written, what is wrong, and what mends it. */
export interface ConfigProblem {
  readonly source: "file" | "env" | "flag" | "default" | "store";
  /** `/home/a/.flock/config.yaml:3:5`, `FLOCK_LISTEN` or `--listen`. */
  readonly where: string;
  /** The setting, where one is known. */
  readonly key: string | null;
  readonly message: string;
  /** One line: what to write or run instead. */
  readonly mend: string;
}

/** A value as it may be shown in an error: short, and hidden when it is a secret. */
export function shown(value: unknown, secret: boolean): string {
  if (secret) return "the given value";
  const json = JSON.stringify(typeof value === "string" ? redactUrl(value) : value) ?? String(value);
  return json.length > 80 ? `${json.slice(0, 77)}…` : json;
}
