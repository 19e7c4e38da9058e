import { expect, test } from "bun:test";
import fc from "fast-check";
import { MAX_DEPTH } from "./json-scanner.ts";
import { scanBody, type ScannedBody } from "./scan-body.ts";

function scan(text: string) {
  return scanBody(Buffer.from(text));
}

function scanned(text: string): ScannedBody {
  const result = scan(text);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

function refusal(text: string): { field: string | null; message: string } {
  const result = scan(text);
  if (result.ok || result.error.kind !== "invalid_request") throw new Error(`accepted: ${text}`);
  return result.error;
}

/** JSON text with odd white space, so that spans are not what `JSON.stringify` would make them. */
const jsonText = fc
  .tuple(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 5 })), fc.constantFrom("", " ", "\n\t"))
  .map(([value, indent]) => JSON.stringify(value, null, indent));

test("every JSON object is accepted, and its spans hold the values that JSON.parse finds", () => {
  fc.assert(
    fc.property(jsonText, (text) => {
      const body = scanned(text);
      const expected = JSON.parse(text) as Record<string, unknown>;
      expect([...body.members.keys()].sort()).toEqual(Object.keys(expected).sort());
      for (const [name, span] of body.members) {
        const value = Buffer.from(body.bytes.subarray(span.valueStart, span.valueEnd)).toString();
        expect(JSON.stringify(JSON.parse(value))).toBe(JSON.stringify(expected[name]));
        expect(body.json(name)).toEqual(JSON.parse(value));
        const key = Buffer.from(body.bytes.subarray(span.keyStart, span.valueStart)).toString();
        expect(JSON.parse(key.slice(0, key.lastIndexOf(":")))).toBe(name);
      }
    }),
    { numRuns: 300 },
  );
});

test("a body with one byte changed, added or cut is accepted exactly when JSON.parse accepts it", () => {
  const change = fc.record({
    at: fc.nat({ max: 400 }),
    cut: fc.constantFrom(0, 1, 2),
    put: fc.constantFrom(
      "",
      "0",
      "-",
      ".",
      "e",
      "+",
      '"',
      "\\",
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "t",
      "\n",
      "\u0001",
      "é",
      "u12",
    ),
  });
  const outcomes = { accepted: 0, refused: 0 };
  fc.assert(
    fc.property(jsonText, change, (text, { at, cut, put }) => {
      const where = at % (text.length + 1);
      const changed = `${text.slice(0, where)}${put}${text.slice(where + cut)}`.toWellFormed();
      const parsed = parseStrictly(changed);
      const result = scan(changed);
      outcomes[parsed ? "accepted" : "refused"] += 1;
      if (!parsed) expect(result.ok).toBe(false);
      else if (!result.ok)
        expect(result.error).toMatchObject({ message: expect.stringMatching(/twice|lone surrogate/) });
    }),
    { numRuns: 1500 },
  );
  expect(outcomes.accepted).toBeGreaterThan(50);
  expect(outcomes.refused).toBeGreaterThan(50);
});

function parseStrictly(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

test.each([20, 20_000])("the bytes may start anywhere in their buffer, %d of them", (times) => {
  const said = 'é\\"\n'.repeat(times);
  for (let offset = 0; offset < 5; offset += 1) {
    const text = JSON.stringify({ model: "a model", text: said });
    const body = Buffer.from(`${"#".repeat(offset)}${text}`);
    const result = scanBody(new Uint8Array(body.buffer, body.byteOffset + offset, Buffer.byteLength(text)));
    expect(result.ok && result.value.string("text")).toBe(said);
  }
});

test.each([
  ["", "empty"],
  ["[]", "byte 0"],
  ['"text"', "byte 0"],
  ["{", "ends too early"],
  ['{"a":1', "ends too early"],
  ['{"a":1}}', "byte 7"],
  ['{"a":01}', "byte 6"],
  ['{"a":1.}', "byte 7"],
  ['{"a":-}', "byte 6"],
  ['{"a":tru}', "not a valid JSON"],
  ['{"a":"\\x"}', "not a valid JSON"],
  ['{"a":"\\u12g4"}', "not a valid JSON"],
  ['{"a":"line\nbreak"}', "not a valid JSON"],
  ['{"a":1,}', "not a valid JSON"],
  ['{"a":[1,]}', "not a valid JSON"],
  ["{'a':1}", "not a valid JSON"],
  ['\uFEFF{"a":1}', "byte 0"],
])("a malformed body is refused and the place is told: %#", (text, says) => {
  expect(refusal(text).message).toContain(says);
});

test("invalid UTF-8 is refused", () => {
  const result = scanBody(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]));
  expect(result.ok).toBe(false);
});

test.each([
  ['{"model":"a","model":"b"}', "model"],
  ['{"model":"a","mod\\u0065l":"b"}', "model"],
  ['{"mod\\u0065l":"a","model":"b"}', "model"],
  ['{"a":{"b":[{"c":1,"d":2,"c":3}]}}', "c"],
  ['{"a":{"\\ud83d\\ude00":1,"😀":2}}', "😀"],
  [`{${Array.from({ length: 40 }, (_, i) => `"k${i}":{"x":1}`).join(",")},"k3":0}`, "k3"],
  [`{${Array.from({ length: 40 }, (_, i) => `"k${i}":0`).join(",")},"k39":0}`, "k39"],
])("a key that stands twice in one object is refused by name: %#", (text, key) => {
  const failure = refusal(text);
  expect(failure.field).toBe(key);
  expect(failure.message).toContain(JSON.stringify(key));
});

test("equal keys of different objects are no duplicates", () => {
  const wide = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`k${i}`, i]));
  const text = JSON.stringify({ a: { a: { a: 1 } }, list: [wide, wide, { k1: wide }], k1: wide });
  expect(scan(text).ok).toBe(true);
});

test(`nesting is accepted up to ${MAX_DEPTH} levels and refused beyond`, () => {
  const nested = (depth: number) => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  expect(scan(nested(MAX_DEPTH)).ok).toBe(true);
  expect(refusal(nested(MAX_DEPTH + 1)).message).toContain("deeper");
  expect(refusal(nested(1_000_000)).message).toContain("deeper");
});

test("typed reads give the value or undefined, never a conversion", () => {
  const body = scanned('{"s":"\\u00e9\\n","n":-1.5e3,"t":true,"f":false,"z":null,"o":{"include_usage":true}}');
  expect(body.string("s")).toBe("é\n");
  expect([body.number("n"), body.number("s"), body.number("gone")]).toEqual([-1500, undefined, undefined]);
  expect([body.boolean("t"), body.boolean("f"), body.boolean("z")]).toEqual([true, false, undefined]);
  expect([body.string("n"), body.raw("z"), body.has("gone")]).toEqual([undefined, "null", false]);
  expect(body.json("o")).toEqual({ include_usage: true });
  expect(body.parse()).toMatchObject({ n: -1500 });
});

test("half a character is refused wherever it stands, and a whole one is not", () => {
  for (const half of [
    "\\ud800",
    "\\uDFFF",
    "\\ud83d x",
    "\\ud83d\\n",
    "\\ud83d\\u0041",
    "\\ude00\\ud83d",
    "\\ud83d\\ud83d\\ude00",
  ]) {
    for (const text of [`{"a":"x${half}"}`, `{"a":[{"b${half}":1}]}`, `{"${half}":1}`]) {
      expect(refusal(text).message).toContain("lone surrogate");
    }
  }
  for (const whole of [
    "\\ud83d\\ude00",
    "\\uD83D\\uDE00",
    "\\ud7ff",
    "\\ue000",
    "\\u00d8",
    "\\ud83d\\ude00\\ud83d\\ude00",
  ]) {
    expect(scanned(`{"a":"x${whole}y"}`).json("a")).toBe(JSON.parse(`"x${whole}y"`) as string);
  }
});
