import type { JsonObject, JsonValue } from "../../../core/chat-request.ts";
import { ok, type Result } from "../../../core/result.ts";
import type { ToolSyntax } from "../../../core/replica.ts";
import { either, type GbnfRules, literal } from "./gbnf.ts";
import { schemaRule } from "./schema-grammar.ts";

export interface CallableTool {
  readonly name: string;
  readonly parameters: JsonObject;
}

/**
 * The name of a rule for calls of these tools as the model writes them, with arguments that satisfy their schemas.
 * One call, or one and more. The error names what a schema has that cannot be held to.
 */
export function callRule(
  syntax: ToolSyntax,
  tools: readonly CallableTool[],
  several: boolean,
  rules: GbnfRules,
): Result<string, string> {
  const calls: string[] = [];
  for (const tool of tools) {
    const body = syntax === "xml" ? taggedCall(tool, rules) : jsonCall(syntax, tool, rules);
    if (!body.ok) return body;
    calls.push(rules.add(body.value));
  }
  const call = rules.add(either(calls));
  const more = (separator: string): string => (several ? ` (${separator} ${call})*` : "");
  switch (syntax) {
    case "mistral":
      return ok(rules.add(`"[TOOL_CALLS]" ws "[" ${call}${more('"," ws')} "]"`));
    case "llama":
      return ok(rules.add(`${call}${more('"; "')}`));
    case "mistral-args":
      return ok(rules.add(`${call}${more('""')}`));
    case "harmony":
      return ok(rules.add(call));
    default:
      return ok(rules.add(`${call}${more(String.raw`"\n"`)}`));
  }
}

function jsonCall(syntax: ToolSyntax, { name, parameters }: CallableTool, rules: GbnfRules): Result<string, string> {
  const args = schemaRule(asObject(parameters), rules);
  if (!args.ok) return args;
  const quoted = JSON.stringify(name);
  switch (syntax) {
    case "function":
      return ok(`${literal(`<function=${name}>`)} ${args.value} "</function>"`);
    case "harmony":
      return ok(`${literal(`<|channel|>commentary to=functions.${name} <|constrain|>json<|message|>`)} ${args.value}`);
    case "mistral-args":
      return ok(`${literal(`[TOOL_CALLS]${name}[ARGS]`)} ${args.value}`);
    case "mistral":
      return ok(`${literal(`{"name": ${quoted}, "arguments": `)} ${args.value} "}"`);
    case "llama":
      return ok(`${literal(`{"name": ${quoted}, "parameters": `)} ${args.value} "}"`);
    default:
      return ok(
        String.raw`"<tool_call>\n" ${literal(`{"name": ${quoted}, "arguments": `)} ${args.value} "}\n</tool_call>"`,
      );
  }
}

/** `<parameter=…>` tags in the order of the schema. Text stands as it is, all else as JSON. */
function taggedCall({ name, parameters }: CallableTool, rules: GbnfRules): Result<string, string> {
  const schema = asObject(parameters);
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"].map(String) : []);
  const tags: string[] = [];
  for (const [key, value] of Object.entries(properties)) {
    const inside = tagValue(value, schema, rules);
    if (!inside.ok) return inside;
    const tag = String.raw`${literal(`<parameter=${key}>\n`)} ${inside.value} "\n</parameter>\n"`;
    tags.push(required.has(key) ? tag : `(${tag})?`);
  }
  return ok(
    String.raw`"<tool_call>\n" ${literal(`<function=${name}>\n`)} ${tags.join(" ")} "</function>\n</tool_call>"`,
  );
}

function tagValue(schema: JsonValue, document: JsonObject, rules: GbnfRules): Result<string, string> {
  if (isObject(schema) && schema["type"] === "string") {
    if (Array.isArray(schema["enum"]))
      return ok(
        either(schema["enum"].map((value) => literal(typeof value === "string" ? value : JSON.stringify(value)))),
      );
    const bounded = ["minLength", "maxLength", "pattern", "format"].some((keyword) => schema[keyword] !== undefined);
    // A tag's text has no end but the tag: what may stand in it is all that does not begin the next one.
    if (!bounded) return ok(String.raw`([^<] | "<" [^/])*`);
  }
  // Where a value refers to the definitions of the whole, it needs them beside it.
  const definitions = { $defs: document["$defs"] ?? {}, definitions: document["definitions"] ?? {} };
  return schemaRule(isObject(schema) ? { ...schema, ...definitions } : schema, rules);
}

/** A tool without parameters takes an empty object, and nothing else. */
function asObject(parameters: JsonObject): JsonObject {
  if (parameters["$ref"] !== undefined || parameters["anyOf"] !== undefined) return parameters;
  const bare = parameters["properties"] === undefined && parameters["additionalProperties"] === undefined;
  return { ...parameters, type: "object", ...(bare ? { additionalProperties: false } : {}) };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
