import { isJsonObject } from "../wire/parse-body.ts";

/**
 * The members of a request that an engine is not told of: for `x-flock-adjusted`. `known`: what the dialect translates or
 * refuses; `harmless`: what tunes cost, storage or accounting and never the answer.
 */
export function ignoredMembers(body: unknown, known: readonly string[], harmless: readonly string[]): string[] {
  if (!isJsonObject(body)) return [];
  const passed = new Set([...known, ...harmless]);
  const given = Object.keys(body).filter((name) => !passed.has(name) && body[name] !== null);
  return given.map((name) => `ignored ${named(name)}`);
}

/** Names come from the client and go into a header. */
export function named(name: string): string {
  return name.slice(0, 64).replaceAll(/[^\w.:-]/g, "_");
}
