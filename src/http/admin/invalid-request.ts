import type { z } from "@hono/zod-openapi";

const SHOWN_CHARACTERS = 80;
const SHOWN_ISSUES = 5;

/** Names the first wrong field, and says of each what it is and what it was given. */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  given: unknown,
): { field: string | null; message: string } {
  const told = issues.slice(0, SHOWN_ISSUES).map((issue) => describeIssue(issue, given));
  const more = issues.length - told.length;
  const message = told.map((one) => one.message).join(" ") + (more > 0 ? ` And ${more} more.` : "");
  return { field: told[0]?.field ?? null, message };
}

function describeIssue(issue: z.core.$ZodIssue, given: unknown): { field: string | null; message: string } {
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.map((key) => (path === "" ? key : `${path}.${key}`));
    const verb = names.length === 1 ? "is not a field" : "are not fields";
    return { field: names[0] ?? null, message: `${names.map(quoted).join(", ")} ${verb} of this request.` };
  }
  const field = path === "" ? null : path;
  const value = valueAt(given, issue.path);
  const subject = field === null ? "The body" : quoted(field);
  const was = value === undefined ? "is missing" : `was ${shown(value)}`;
  return { field, message: `${subject} ${was}: ${lowerFirst(issue.message)}.` };
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  let value = given;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

/** A whole key pasted into a wrong field must not come back in an error text that ends up in a log. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  const safe = text.replaceAll(/sk-orc-[\w-]+/g, "sk-orc-…");
  return safe.length > SHOWN_CHARACTERS ? `${safe.slice(0, SHOWN_CHARACTERS)}…` : safe;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text);
}

function lowerFirst(text: string): string {
  const trimmed = text.replace(/[.]$/, "");
  return trimmed.charAt(0).toLowerCase() + trimmed.slice(1);
}
