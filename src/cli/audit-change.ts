import type { AuditRow } from "./api/audit.ts";
import { time } from "./format.ts";

/**
 * What one change was, in a line: `name: before → after` of the fields that differ. Of what was made or taken away, the
 * fields that say something: no ids that stand beside it, nothing that is off, empty or zero.
 */
export function changeOf({ before, after, target }: Pick<AuditRow, "before" | "after" | "target">): string {
  if (isFields(before) && isFields(after)) return differences(flat(before), flat(after));
  if (isFields(after)) return listed(after, target);
  if (isFields(before)) return listed(before, target);
  if (before === null) return show("", after);
  return `${show("", before)} → ${show("", after)}`;
}

function differences(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): string {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => JSON.stringify(before.get(name)) !== JSON.stringify(after.get(name)))
    .map((name) => {
      if (!after.has(name)) return `${name}: was ${show(name, before.get(name))}`;
      if (!before.has(name)) return `${name}: ${show(name, after.get(name))}`;
      return `${name}: ${show(name, before.get(name))} → ${show(name, after.get(name))}`;
    })
    .join(", ");
}

function listed(fields: Record<string, unknown>, target: string): string {
  return [...flat(fields)]
    .filter(([, value]) => value !== null && value !== false && value !== 0 && value !== "" && value !== target)
    .filter(([, value]) => !Array.isArray(value) || value.length > 0)
    .map(([name, value]) => `${name}: ${show(name, value)}`)
    .join(", ");
}

/** Fields within fields by their whole name: `limits.dailyTokens`. */
function flat(fields: Record<string, unknown>, under = ""): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [name, value] of Object.entries(fields)) {
    if (isFields(value)) for (const [inner, leaf] of flat(value, `${under}${name}.`)) found.set(inner, leaf);
    else found.set(under + name, value);
  }
  return found;
}

function show(name: string, value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (name.endsWith("At") && typeof value === "number") return time(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
