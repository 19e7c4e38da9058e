import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { JsonObject, JsonValue } from "../../core/chat-request.ts";
import { violation } from "./grammar/test-validator.ts";
import { startTestChild, type TestChild } from "./test-child.ts";

const PATH = "/v1/chat/completions";
const SLOTS = 4;
const NOISE = { temperature: 2, top_k: 0, top_p: 1, min_p: 0 };

/** Bytes that noise makes into longer forms of a character than there are: no model that has read text does. */
const NOT_UTF8 = Object.fromEntries([0xe0, 0xf0].map((byte) => [byte + 3, -100]));

let child: TestChild;
beforeAll(async () => {
  child = await startTestChild(
    { kind: "random", seed: 11, layers: 1, embedding: 32 },
    { contextTokens: 8192, windowTokens: 8192, slots: SLOTS },
  );
}, 30_000);
afterAll(() => child.stop());

interface Answer {
  readonly choices: readonly { readonly message: { readonly content: string }; readonly finish_reason: string }[];
  readonly error?: { readonly message: string };
}

async function answer(body: object): Promise<Answer> {
  const response = await child.post(PATH, { messages: [{ role: "user", content: "x" }], ...NOISE, ...body });
  return (await response.json()) as Answer;
}

async function jsonOf(schema: JsonValue, seed: number): Promise<JsonValue> {
  const format = { type: "json_schema", json_schema: { name: "x", strict: true, schema } };
  const { choices, error } = await answer({ response_format: format, seed, max_tokens: 6000, logit_bias: NOT_UTF8 });
  if (error) throw new Error(`${error.message}: ${JSON.stringify(schema)}`);
  expect({ schema, reason: choices[0]?.finish_reason }).toEqual({ schema, reason: "stop" });
  return JSON.parse(choices[0]?.message.content ?? "") as JsonValue;
}

const name = fc.constantFrom("a", "b", "kind", "größe", 'quo"te', "two words", "back\\slash", "tab\t");
/** What a random model ends by itself: a string of noise without a bound goes on for hundreds of tokens. */
const leaf = fc.oneof(
  fc.record({ type: fc.constant("string"), maxLength: fc.integer({ min: 0, max: 12 }) }),
  fc.integer({ min: 0, max: 6 }).map((n) => ({ type: "string", minLength: n, maxLength: n + 3 })),
  fc.constantFrom("date", "date-time").map((format) => ({ type: "string", format })),
  fc.constantFrom("integer", "number", "boolean", "null").map((type) => ({ type })),
  fc
    .tuple(fc.integer({ min: -2000, max: 2000 }), fc.integer({ min: 0, max: 3000 }))
    .map(([low, span]) => ({ type: "integer", minimum: low, maximum: low + span })),
  fc.integer({ min: -50, max: 50 }).map((low) => ({ type: "number", exclusiveMinimum: low, maximum: low + 7 })),
  fc.constantFrom("integer", "number").map((type) => ({ type, minimum: 0 })),
  fc
    .array(fc.oneof(name, fc.integer(), fc.constant(null), fc.boolean()), { minLength: 1, maxLength: 4 })
    .map((all) => ({
      enum: [...new Set(all)],
    })),
  fc.constant({ const: { fixed: [1, "two"] } }),
  fc.constant({ type: ["integer", "null"] }),
);
const { schema } = fc.letrec<{ schema: unknown }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc
      .tuple(
        fc.uniqueArray(fc.tuple(name, tie("schema"), fc.boolean()), { maxLength: 4, selector: ([key]) => key }),
        fc.boolean(),
      )
      .map(([entries, closed]) => ({
        type: "object",
        properties: Object.fromEntries(entries.map(([key, value]) => [key, value])),
        required: entries.filter(([, , required]) => required).map(([key]) => key),
        ...(closed || entries.length === 0 ? { additionalProperties: false } : {}),
      })),
    fc
      .tuple(tie("schema"), fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 }))
      .map(([items, least, more]) => ({
        type: "array",
        items,
        minItems: least,
        maxItems: least + more,
      })),
    fc.array(tie("schema"), { minLength: 1, maxLength: 3 }).map((prefixItems) => ({ type: "array", prefixItems })),
    fc.array(tie("schema"), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf, title: "either" })),
    fc.constant({ oneOf: [{ type: "string", maxLength: 3 }, { type: "boolean" }] }),
  ),
}));

test("over 200 random schemas every answer parses and satisfies its schema", async () => {
  const schemas = fc.sample(schema, { numRuns: 200, seed: 20_26 }) as JsonObject[];
  const kinds = new Set(
    JSON.stringify(schemas).match(/"(anyOf|oneOf|enum|const|prefixItems|required|minimum|format)"/g),
  );
  expect(kinds.size).toBe(8);
  const queue = [...schemas.entries()];
  const wrong: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [index, wanted] = next;
      const broken = violation(await jsonOf(wanted, index), wanted);
      if (broken !== null) wrong.push(broken);
    }
  };
  await Promise.all(Array.from({ length: SLOTS }, work));
  expect(wrong).toEqual([]);
}, 60_000);

describe("a schema", () => {
  const TREE: JsonObject = {
    $defs: {
      node: {
        type: "object",
        properties: {
          value: { type: "integer", minimum: 0, maximum: 9 },
          next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }], default: null, title: "Next" },
        },
        required: ["value", "next"],
      },
    },
    $ref: "#/$defs/node",
  };
  const ALL: JsonObject = {
    allOf: [
      { type: "object", properties: { a: { type: "boolean" } }, required: ["a"] },
      { properties: { b: { type: "null" } }, required: ["b"] },
    ],
  };
  const kept: [string, JsonObject][] = [
    ["that contains itself", TREE],
    ["with as long a string as can be counted", { type: "string", maxLength: 1999 }],
    ["in parts that must all hold", ALL],
    [
      "that asks for a property it does not describe",
      { type: "object", required: ["x"], additionalProperties: { type: "null" } },
    ],
    [
      "beside a choice",
      {
        type: "object",
        properties: { a: { type: "null" }, b: { type: "null" } },
        anyOf: [{ required: ["a"] }, { required: ["b"] }],
      },
    ],
  ];
  for (const [what, wanted] of kept) {
    test(`${what} is kept`, async () => {
      for (const seed of [1, 2, 3]) expect(violation(await jsonOf(wanted, seed), wanted)).toBeNull();
    });
  }

  const refused: [string, JsonObject][] = [
    ["pattern", { type: "string", pattern: "^a+$" }],
    ["multipleOf", { type: "integer", multipleOf: 3 }],
    ["not", { not: { type: "null" } }],
    ["uniqueItems", { type: "array", uniqueItems: true, items: { type: "null" } }],
    ["patternProperties", { type: "object", patternProperties: { "^x": {} } }],
    ["minimum", { type: "number", minimum: 0.5 }],
    ["$ref", { $ref: "https://example.com/schema" }],
    ["if", { if: { type: "null" } }],
    ["maxLength", { type: "string", maxLength: 5000 }],
  ];
  for (const [keyword, wanted] of refused) {
    test(`is refused by the name of what cannot be kept: ${keyword}`, async () => {
      const response = await child.post(PATH, {
        messages: [{ role: "user", content: "x" }],
        response_format: {
          type: "json_schema",
          json_schema: { schema: { type: "object", properties: { p: wanted } } },
        },
      });
      expect(response.status).toBe(400);
      const { error } = (await response.json()) as { error: { message: string; param: string } };
      expect(error.message).toContain(`unsupported schema keyword '${keyword}'`);
      expect(error.param).toBe("response_format");
    });
  }
});

const twice = (levels: number): JsonObject => {
  let schema: JsonObject = { type: "null" };
  for (let level = 0; level < levels; level += 1) schema = { anyOf: [schema, schema] };
  return schema;
};
const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `x${at}`);

test.each<[string, JsonObject]>([
  ["values of an enum", { enum: names(100_000) }],
  ["properties", { type: "object", properties: Object.fromEntries(names(20_000).map((name) => [name, {}])) }],
  ["alternatives", twice(16)],
])("a schema is refused at once that would hold up every other answer: %s", async (_what, schema) => {
  const begun = performance.now();
  const response = await child.post(PATH, {
    messages: [{ role: "user", content: "x" }],
    response_format: { type: "json_schema", json_schema: { schema } },
  });
  expect(response.status).toBe(400);
  const { error } = (await response.json()) as { error: { message: string; param: string } };
  expect(error).toMatchObject({ param: "response_format", message: expect.stringContaining("more than 2000") });
  expect(performance.now() - begun).toBeLessThan(5000);
});

test("tokens that show nothing are no characters of a string", async () => {
  // The tokens <unk> and <s>: the grammar would take them for five and three characters.
  const wanted = { type: "string", minLength: 6, maxLength: 9 };
  const format = { type: "json_schema", json_schema: { name: "x", strict: true, schema: wanted } };
  const { choices } = await answer({ response_format: format, seed: 1, logit_bias: { ...NOT_UTF8, 0: 50, 1: 60 } });
  expect(violation(JSON.parse(choices[0]?.message.content ?? "") as JsonValue, wanted)).toBeNull();
});

test("json_object gives an object", async () => {
  for (const seed of [1, 2, 3, 4]) {
    const { choices } = await answer({
      response_format: { type: "json_object" },
      seed,
      max_tokens: 4000,
      temperature: 1,
    });
    if (choices[0]?.finish_reason === "length") continue;
    expect(JSON.parse(choices[0]?.message.content ?? "")).toBeObject();
  }
});

test("a grammar of the client's own is refused at once where it is as large", async () => {
  const grammar = `root ::= ${names(50_000)
    .map((name) => `"${name}"`)
    .join(" | ")}`;
  const response = await child.post(PATH, { messages: [{ role: "user", content: "x" }], grammar });
  expect(response.status).toBe(400);
  const { error } = (await response.json()) as { error: { message: string; param: string } };
  expect(error).toMatchObject({ param: "grammar", message: expect.stringContaining("100000 characters") });
});

test("a grammar is kept to", async () => {
  for (const seed of [1, 2, 3]) {
    const { choices } = await answer({ grammar: 'root ::= "n=" [0-9]{3} ("!" | "?")', seed });
    expect(choices[0]?.message.content).toMatch(/^n=[0-9]{3}[!?]$/);
  }
});
