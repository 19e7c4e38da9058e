import type { JsonObject, JsonValue } from "../../../core/chat-request.ts";

/** They ask nothing of a value. */
export const ANNOTATIONS = new Set([
  "title",
  "description",
  "default",
  "examples",
  "$comment",
  "$defs",
  "definitions",
  "$schema",
  "$id",
  "deprecated",
  "readOnly",
  "writeOnly",
]);

const TYPES = ["object", "array", "string", "integer", "number", "boolean", "null"] as const;
export type TypeName = (typeof TYPES)[number];

/** The message names what a grammar of ours cannot say. */
export class Unsupported extends Error {}

/** Null: any type. */
export function typesOf(schema: JsonObject): TypeName[] | null {
  const type = schema["type"] ?? null;
  const named = Array.isArray(type) ? type : type === null ? [] : [type];
  const types = named.map((name) => {
    const known = TYPES.find((candidate) => candidate === name);
    if (known === undefined) throw new Unsupported(`unsupported schema type ${JSON.stringify(name)}`);
    return known;
  });
  if (types.length === 0) {
    const implied = impliedType(schema);
    if (implied === null) return null;
    types.push(implied);
  }
  // OpenAPI's way to say it.
  if (schema["nullable"] === true && !types.includes("null")) types.push("null");
  return types;
}

function impliedType(schema: JsonObject): TypeName | null {
  if (schema["properties"] !== undefined || schema["required"] !== undefined) return "object";
  if (schema["additionalProperties"] !== undefined) return "object";
  if (schema["items"] !== undefined || schema["prefixItems"] !== undefined) return "array";
  if (schema["minItems"] !== undefined || schema["maxItems"] !== undefined) return "array";
  if (schema["minLength"] !== undefined || schema["maxLength"] !== undefined) return "string";
  for (const keyword of ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]) {
    if (schema[keyword] !== undefined) return "number";
  }
  return null;
}

/** Adds a keyword of another schema that must hold as well. */
export function merge(into: JsonObject, keyword: string, value: JsonValue): void {
  const present = into[keyword];
  if (keyword === "properties" && isObject(present) && isObject(value)) {
    const both: JsonObject = { ...present };
    for (const [name, schema] of Object.entries(value)) {
      const known = both[name];
      both[name] = known === undefined ? schema : { allOf: [known, schema] };
    }
    into[keyword] = both;
  } else if (keyword === "required" && Array.isArray(present) && Array.isArray(value)) {
    into[keyword] = [...new Set([...present, ...value])];
  } else if (present === undefined || JSON.stringify(present) === JSON.stringify(value) || ANNOTATIONS.has(keyword)) {
    into[keyword] = value;
  } else if (keyword === "additionalProperties") {
    into[keyword] = present === false || value === false ? false : { allOf: [present, value] };
  } else {
    throw new Unsupported(`'${keyword}' that is said twice, by allOf or beside anyOf`);
  }
}

export function isOfType(value: JsonValue, type: TypeName): boolean {
  if (value === null) return type === "null";
  if (Array.isArray(value)) return type === "array";
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function numberOrNull(value: JsonValue | undefined): number | null {
  return typeof value === "number" ? value : null;
}
