import type { JsonObject, JsonValue } from "../../../core/chat-request.ts";

/** A small JSON schema validator of its own, for tests of grammars: null when the value satisfies the schema. */
export function violation(value: JsonValue, schema: JsonValue, root: JsonValue = schema, at = "$"): string | null {
  if (schema === true) return null;
  if (!isObject(schema)) return `${at}: nothing satisfies ${JSON.stringify(schema)}`;
  const check = (inner: JsonValue, item: JsonValue, where = at): string | null => violation(item, inner, root, where);
  const fail = (keyword: string): string =>
    `${at}: ${JSON.stringify(value)} against ${keyword} ${JSON.stringify(schema[keyword])}`;
  if (typeof schema["$ref"] === "string") return check(resolve(root, schema["$ref"]), value);
  if (schema["const"] !== undefined && !same(schema["const"], value)) return fail("const");
  if (Array.isArray(schema["enum"]) && !schema["enum"].some((one) => same(one, value))) return fail("enum");
  if (schema["type"] !== undefined) {
    const types = Array.isArray(schema["type"]) ? schema["type"] : [schema["type"]];
    if (!types.some((type) => isOfType(value, type))) return fail("type");
  }
  for (const keyword of ["anyOf", "oneOf"]) {
    const choices = schema[keyword];
    if (!Array.isArray(choices)) continue;
    const fitting = choices.filter((choice) => check(choice, value) === null).length;
    if (fitting === 0 || (keyword === "oneOf" && fitting > 1)) return fail(keyword);
  }
  for (const part of Array.isArray(schema["allOf"]) ? schema["allOf"] : []) {
    const wrong = check(part, value);
    if (wrong !== null) return wrong;
  }
  if (typeof value === "number") {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema as Record<string, number | undefined>;
    if (minimum !== undefined && value < minimum) return fail("minimum");
    if (maximum !== undefined && value > maximum) return fail("maximum");
    if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) return fail("exclusiveMinimum");
    if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) return fail("exclusiveMaximum");
  }
  if (typeof value === "string") {
    const length = Array.from(value).length;
    if (length < ((schema["minLength"] as number | undefined) ?? 0)) return fail("minLength");
    if (length > ((schema["maxLength"] as number | undefined) ?? Infinity)) return fail("maxLength");
    if (schema["format"] === "date" && !isDate(value)) return fail("format");
    if (schema["format"] === "date-time" && !(isDate(value.slice(0, 10)) && !Number.isNaN(Date.parse(value)))) {
      return fail("format");
    }
  }
  if (Array.isArray(value)) {
    if (value.length < ((schema["minItems"] as number | undefined) ?? 0)) return fail("minItems");
    if (value.length > ((schema["maxItems"] as number | undefined) ?? Infinity)) return fail("maxItems");
    const first = Array.isArray(schema["prefixItems"]) ? schema["prefixItems"] : [];
    for (const [index, item] of value.entries()) {
      const wrong = check(first[index] ?? schema["items"] ?? true, item, `${at}[${index}]`);
      if (wrong !== null) return wrong;
    }
  }
  if (isObject(value)) {
    for (const name of (schema["required"] as string[] | undefined) ?? []) {
      if (!Object.hasOwn(value, name)) return fail("required");
    }
    const properties = isObject(schema["properties"]) ? schema["properties"] : {};
    for (const [name, item] of Object.entries(value)) {
      const wrong = check(properties[name] ?? schema["additionalProperties"] ?? true, item, `${at}.${name}`);
      if (wrong !== null) return wrong;
    }
  }
  return null;
}

function resolve(root: JsonValue, path: string): JsonValue {
  let at = root;
  for (const step of path.split("/").slice(1)) at = isObject(at) ? (at[step] ?? false) : false;
  return at;
}

function same(a: JsonValue, b: JsonValue): boolean {
  return Bun.deepEquals(a, b, true);
}

function isDate(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && new Date(text).toISOString().startsWith(text);
}

function isOfType(value: JsonValue, type: JsonValue): boolean {
  if (value === null) return type === "null";
  if (Array.isArray(value)) return type === "array";
  return type === "integer" ? Number.isInteger(value) : typeof value === type;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
