import { expect, test } from "bun:test";
import fc from "fast-check";
import { jsonLine, NdjsonParser } from "./ndjson.ts";

function parse(stream: string, cuts: readonly number[] = []): string[] {
  const bytes = Buffer.from(stream);
  const parser = new NdjsonParser();
  const lines: string[] = [];
  let start = 0;
  for (const cut of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    lines.push(...parser.push(bytes.subarray(start, cut)));
    start = cut;
  }
  return [...lines, ...parser.end()];
}

test.each<[string, string, string[]]>([
  ["lines", '{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}']],
  ["CRLF", '{"a":1}\r\n{"b":2}\r\n', ['{"a":1}', '{"b":2}']],
  ["blank lines", '\n\r\n  \n{"a":1}\n\n', ['{"a":1}']],
  ["a last line without its end", '{"a":1}\n{"b"', ['{"a":1}', '{"b"']],
  ["leading spaces stay with their line", '  {"a":1}\n', ['  {"a":1}']],
  ["a byte order mark", '\uFEFF{"a":1}\n', ['{"a":1}']],
  ["nothing", "", []],
])("%s", (_name, stream, lines) => {
  expect(parse(stream)).toEqual(lines);
});

test("any split of the bytes, also inside UTF-8 sequences and CRLF, gives the same lines", () => {
  const line = fc.constantFrom('{"a":"é😀"}', "{}", "", " ", '{"größe":"\uFEFF"}');
  const stream = fc
    .tuple(fc.boolean(), fc.array(fc.tuple(line, fc.constantFrom("\n", "\r\n")), { minLength: 1, maxLength: 20 }))
    .map(([bom, lines]) => `${bom ? "\uFEFF" : ""}${lines.map(([text, end]) => text + end).join("")}`);
  fc.assert(
    fc.property(stream, fc.array(fc.nat({ max: 300 }), { maxLength: 12 }), (text, cuts) => {
      expect(parse(text, cuts)).toEqual(parse(text));
    }),
    { numRuns: 500 },
  );
  const fixed = '\uFEFF{"a":"é😀"}\r\n{"b":1}\n';
  expect(parse(fixed, [...Array(Buffer.byteLength(fixed)).keys()])).toEqual(parse(fixed));
});

test("a line beyond the limit stops the parser, whether it ends or not", () => {
  for (const stream of ["x".repeat(200), `${"x".repeat(200)}\n{}\n`]) {
    const parser = new NdjsonParser(100);
    const lines = parser.push(Buffer.from('{"ok":1}\n'));
    for (let at = 0; at < stream.length; at += 10) lines.push(...parser.push(Buffer.from(stream.slice(at, at + 10))));
    expect(parser.tooLong).toBe(true);
    expect(lines).toEqual(['{"ok":1}']);
    expect([...parser.push(Buffer.from("\n{}\n")), ...parser.end()]).toEqual([]);
  }
});

test("many lines under the limit never add up to it", () => {
  const parser = new NdjsonParser(100);
  let count = 0;
  for (let i = 0; i < 100; i += 1) count += parser.push(Buffer.from(`${"x".repeat(90)}\n`)).length;
  expect([count, parser.tooLong]).toEqual([100, false]);
});

test("what is written is read back", () => {
  expect(parse(jsonLine('{"a":1}') + jsonLine("{}"))).toEqual(['{"a":1}', "{}"]);
});
