import type { z } from "zod";
import type { JsonObject } from "../core/chat-request.ts";
import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";

type Issue = z.core.$ZodIssue;

/** Checks a parsed body against its wire schema; the failure names the first wrong field by its path. */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): Result<T, Failure> {
  const result = schema.safeParse(body);
  if (result.success) return ok(result.data);
  const [first] = result.error.issues;
  if (!first) return err({ kind: "invalid_request", field: null, message: "The request body is not valid." });
  const { issue, path } = innermost(first, first.path);
  const field = toFieldPath(path);
  return err({
    kind: "invalid_request",
    field: field || null,
    message: `${field || "body"}: ${explain(issue, valueAt(body, path))}`,
  });
}

/** `messages[0].content[1].type` */
function toFieldPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else text += text === "" ? String(key) : `.${String(key)}`;
  }
  return text;
}

/** A union fails in all branches; the one that came furthest is what the client meant. */
function innermost(issue: Issue, path: readonly PropertyKey[]): { issue: Issue; path: readonly PropertyKey[] } {
  if (issue.code !== "invalid_union") return { issue, path };
  let best: { issue: Issue; path: readonly PropertyKey[] } = { issue, path };
  for (const [first] of issue.errors) {
    if (!first || first.path.length === 0) continue;
    const inner = innermost(first, [...path, ...first.path]);
    if (inner.path.length > best.path.length) best = inner;
  }
  return best;
}

function explain(issue: Issue, value: unknown): string {
  if (value === undefined) return "this field is missing";
  if (issue.code === "invalid_union" || issue.code === "invalid_value") {
    const shown = JSON.stringify(value);
    const short = shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
    return issue.code === "invalid_value"
      ? `${short} is not one of ${issue.values.map((one) => JSON.stringify(one)).join(", ")}`
      : `${short} is not supported here`;
  }
  return issue.message;
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  let value = body;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
