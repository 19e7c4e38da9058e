import type { JsonObject, JsonValue } from "../../../core/chat-request.ts";
import { err, ok, type Result } from "../../../core/result.ts";
import { either, type GbnfRules, listed, literal } from "./gbnf.ts";
import { count, numberBody, stringBody } from "./scalar-body.ts";
import { ANNOTATIONS, isObject, isOfType, merge, type TypeName, typesOf, Unsupported } from "./schema-keywords.ts";

/** A schema that contains itself in a way that no rule of its own can hold would go on for ever. */
const MOST_LEVELS = 64;
/**
 * llama.cpp looks through all alternatives of a grammar for each token, and what it spends grows with their square: 2,000
 * are a few tenths of a second, 100,000 would hold up every other answer for minutes.
 */
const MOST_PARTS = 2000;
/** They say what must hold, and a grammar of ours cannot make it hold. */
const REFUSED = [
  "pattern",
  "patternProperties",
  "propertyNames",
  "minProperties",
  "maxProperties",
  "multipleOf",
  "contains",
  "minContains",
  "maxContains",
  "not",
  "if",
  "then",
  "else",
  "dependentRequired",
  "dependentSchemas",
  "dependencies",
  "unevaluatedItems",
  "$dynamicRef",
] as const;

/**
 * The name of a rule for values that satisfy the schema; the rules it needs are added. Every text of the grammar
 * satisfies the schema; not every value that does is in the grammar (additional properties are left out, properties
 * come in the order of the schema). The error names what cannot be done.
 */
export function schemaRule(schema: JsonValue, rules: GbnfRules): Result<string, string> {
  try {
    return ok(new SchemaRules(schema, rules).rule(schema, 0));
  } catch (error) {
    if (error instanceof Unsupported) return err(error.message);
    throw error;
  }
}

class SchemaRules {
  readonly #document: JsonValue;
  readonly #rules: GbnfRules;
  readonly #references = new Map<string, string>();
  /** Schemas within the schema, and values of enums. */
  #parts = 0;

  constructor(document: JsonValue, rules: GbnfRules) {
    this.#document = document;
    this.#rules = rules;
  }

  rule(schema: JsonValue, depth: number): string {
    if (depth > MOST_LEVELS) throw new Unsupported(`a schema of more than ${MOST_LEVELS} levels`);
    this.#count(1);
    return this.#rules.add(this.#body(schema, depth + 1));
  }

  #count(parts: number): void {
    this.#parts += parts;
    if (this.#parts <= MOST_PARTS) return;
    throw new Unsupported(`a schema of more than ${MOST_PARTS} properties, alternatives and values of enums`);
  }

  #body(schema: JsonValue, depth: number): string {
    if (schema === true) return "value";
    if (!isObject(schema)) throw new Unsupported("a schema that no value satisfies");
    for (const keyword of REFUSED) {
      if (schema[keyword] !== undefined) throw new Unsupported(`unsupported schema keyword '${keyword}'`);
    }
    if (schema["uniqueItems"] === true) throw new Unsupported("unsupported schema keyword 'uniqueItems'");
    if (schema["$ref"] !== undefined) return this.#reference(schema, depth);
    if (schema["const"] !== undefined) return literal(JSON.stringify(schema["const"]));
    if (Array.isArray(schema["enum"])) return this.#enum(schema["enum"], schema);
    if (Array.isArray(schema["allOf"])) return this.#body(this.#merged(schema, schema["allOf"], depth), depth);
    const choices = schema["anyOf"] ?? schema["oneOf"];
    if (Array.isArray(choices)) {
      const { anyOf: _, oneOf: __, ...base } = schema;
      return either(choices.map((choice) => this.rule(this.#merged(base, [choice], depth), depth)));
    }
    const types = typesOf(schema);
    if (types === null) return "value";
    return either(types.map((type) => this.#typed(type, schema, depth)));
  }

  #typed(type: TypeName, schema: JsonObject, depth: number): string {
    switch (type) {
      case "object":
        return this.#object(schema, depth);
      case "array":
        return this.#array(schema, depth);
      case "string":
        return stringBody(schema);
      case "integer":
      case "number":
        return numberBody(type, schema);
      default:
        return type;
    }
  }

  #enum(values: readonly JsonValue[], schema: JsonObject): string {
    const types = typesOf({ type: schema["type"] ?? null });
    const fitting = values.filter((value) => types === null || types.some((type) => isOfType(value, type)));
    if (fitting.length === 0) throw new Unsupported("an enum without a value of its type");
    this.#count(fitting.length);
    return either(fitting.map((value) => literal(JSON.stringify(value))));
  }

  /** One rule for one reference, so that a schema may contain itself. */
  #reference(schema: JsonObject, depth: number): string {
    const path = schema["$ref"];
    if (typeof path !== "string" || !path.startsWith("#")) {
      throw new Unsupported(`unsupported schema keyword '$ref' to ${JSON.stringify(path)}: only '#/…' is known`);
    }
    const known = this.#references.get(path);
    if (known !== undefined) return known;
    const name = this.#rules.reserve();
    this.#references.set(path, name);
    this.#rules.define(name, this.#body(this.#resolve(path), depth));
    return name;
  }

  #resolve(path: string): JsonValue {
    let at: JsonValue | undefined = this.#document;
    for (const step of path.split("/").slice(1)) {
      const key = decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
      at = isObject(at) ? at[key] : Array.isArray(at) ? at[Number(key)] : undefined;
    }
    if (at === undefined) throw new Unsupported(`the schema has nothing at ${path}`);
    return at;
  }

  /** One schema that asks what all of them ask. Two that say different things about one keyword are refused. */
  #merged(base: JsonObject, parts: readonly JsonValue[], depth: number): JsonObject {
    if (depth > MOST_LEVELS) throw new Unsupported("a schema that is part of itself by allOf");
    const merged = Object.fromEntries(
      Object.entries(base).filter(([keyword]) => keyword !== "allOf" && !ANNOTATIONS.has(keyword)),
    );
    // Alone, a reference keeps its rule, which a schema that contains itself needs.
    if (Object.keys(merged).length === 0 && parts.length === 1 && isObject(parts[0])) return parts[0];
    for (const part of parts) {
      let more = part;
      if (more === true) continue;
      if (isObject(more) && typeof more["$ref"] === "string") {
        const { $ref, ...beside } = more;
        more = this.#merged(beside, [this.#resolve($ref)], depth + 1);
      }
      if (!isObject(more)) throw new Unsupported("a schema that no value satisfies");
      if (Array.isArray(more["allOf"])) more = this.#merged(more, more["allOf"], depth + 1);
      for (const [keyword, value] of Object.entries(more)) merge(merged, keyword, value);
    }
    return merged;
  }

  #object(schema: JsonObject, depth: number): string {
    const properties = isObject(schema["properties"]) ? { ...schema["properties"] } : {};
    const required = new Set(Array.isArray(schema["required"]) ? schema["required"].map(String) : []);
    const additional = schema["additionalProperties"] ?? true;
    for (const name of required) {
      if (Object.hasOwn(properties, name)) continue;
      if (additional === false) throw new Unsupported(`the property '${name}', which is required and not allowed`);
      properties[name] = additional;
    }
    const names = Object.keys(properties);
    if (names.length === 0) {
      if (additional === false) return String.raw`"{" ws "}"`;
      const value = additional === true ? "value" : this.rule(additional, depth);
      return `"{" ws ${listed(`string ws ":" ws ${value}`, 0, null)} ws "}"`;
    }
    const pairs = names.map((name) => {
      const value = this.rule(properties[name] ?? true, depth);
      return { required: required.has(name), body: `${literal(JSON.stringify(name))} ws ":" ws ${value}` };
    });
    return `"{" ws ${this.#pairs(pairs)} ws "}"`;
  }

  /** From the last to the first: what may follow a pair, and what may follow when nothing has come before. */
  #pairs(pairs: readonly { readonly required: boolean; readonly body: string }[]): string {
    let afterSome = '""';
    let afterNone = '""';
    for (const { required, body } of pairs.toReversed()) {
      const pair = this.#rules.add(body);
      const here = { some: `ws "," ws ${pair} ${afterSome}`, none: `${pair} ${afterSome}` };
      const next = required ? here : { some: `(${here.some}) | ${afterSome}`, none: `(${here.none}) | ${afterNone}` };
      afterSome = this.#rules.add(next.some);
      afterNone = this.#rules.add(next.none);
    }
    return afterNone;
  }

  #array(schema: JsonObject, depth: number): string {
    const least = count(schema, "minItems") ?? 0;
    const most = count(schema, "maxItems");
    if (most !== null && least > most) throw new Unsupported("an array of more than its maxItems");
    // A list under `items` is how drafts before 2020 wrote `prefixItems`.
    const old = Array.isArray(schema["items"]);
    const first = (old ? schema["items"] : schema["prefixItems"]) as JsonValue[] | undefined;
    const others = (old ? schema["additionalItems"] : schema["items"]) ?? true;
    if (!first || first.length === 0) {
      if (others === false) return String.raw`"[" ws "]"`;
      const item = others === true ? "value" : this.rule(others, depth);
      return `"[" ws ${listed(item, least, most)} ws "]"`;
    }
    // Exactly the listed ones where that is allowed: a tuple is meant.
    const length = Math.max(least, Math.min(first.length, most ?? first.length));
    if (length > first.length && others === false) throw new Unsupported("an array of more than its items");
    const items = Array.from({ length }, (_, index) => this.rule(first[index] ?? others, depth));
    return `"[" ws ${items.join(' ws "," ws ')} ws "]"`;
  }
}
