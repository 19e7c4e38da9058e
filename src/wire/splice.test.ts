import { expect, test } from "bun:test";
import fc from "fast-check";
import { scanBody, type ScannedBody } from "./scan-body.ts";
import { splice, type BodyEdits } from "./splice.ts";

function scanned(text: string): ScannedBody {
  const result = scanBody(Buffer.from(text));
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

function spliced(text: string, edits: BodyEdits): string {
  return Buffer.from(splice(scanned(text), edits)).toString();
}

test.each<[string, BodyEdits, string]>([
  ['{"model":"a"}', { set: { model: '"b"' } }, '{"model":"b"}'],
  ['{ "model" : "a" , "n" : 1.0 }', { set: { model: '"b"' } }, '{ "model" : "b" , "n" : 1.0 }'],
  ["{}", { set: { a: "1", b: "2" } }, '{"a":1,"b":2}'],
  ['{"a":1}', { set: { b: "{}" } }, '{"a":1,"b":{}}'],
  ['{"a":1,"b":2,"c":3}', { remove: ["a"] }, '{"b":2,"c":3}'],
  ['{"a":1,"b":2,"c":3}', { remove: ["b"] }, '{"a":1,"c":3}'],
  ['{"a":1,"b":2,"c":3}', { remove: ["b", "c"] }, '{"a":1}'],
  ['{"a":1,"b":2,"c":3}', { remove: ["a", "b", "c"], set: { d: "4" } }, '{"d":4}'],
  ['{"a":1,"b":2}', { set: { a: "9", c: "3" }, remove: ["b"] }, '{"a":9,"c":3}'],
  ['{"a":1}', { set: { a: "2" }, remove: ["a", "gone"] }, '{"a":2}'],
  ['{"t":"}"}\n', { set: { u: "1" } }, '{"t":"}","u":1}\n'],
])("edits change only their members: %#", (text, edits, expected) => {
  expect(spliced(text, edits)).toBe(expected);
});

test("no edits give the same bytes", () => {
  const text = ' {"a" : [1, 2 ] ,\n "é":"\\u00e9"}\r\n';
  expect(spliced(text, {})).toBe(text);
});

test("any edits of any body parse to the object with those edits", () => {
  const name = fc.constantFrom("a", "b", "c", "d", "é", 'quo"te', "model");
  const body = fc.dictionary(name, fc.jsonValue({ maxDepth: 2 }));
  const indent = fc.constantFrom("", " ", "\n");
  const edits = fc.record({ set: fc.dictionary(name, fc.jsonValue({ maxDepth: 1 })), remove: fc.uniqueArray(name) });
  fc.assert(
    fc.property(body, indent, edits, (value, space, { set, remove }) => {
      const raw = Object.fromEntries(Object.entries(set).map(([key, item]) => [key, JSON.stringify(item)]));
      const expected: Record<string, unknown> = { ...value };
      for (const key of remove) delete expected[key];
      Object.assign(expected, set);
      const result = spliced(JSON.stringify(value, null, space), { set: raw, remove });
      expect(JSON.parse(result)).toEqual(JSON.parse(JSON.stringify(expected)));
    }),
    { numRuns: 500 },
  );
});
