import { expect, test } from "bun:test";
import fc from "fast-check";
import { SseParser, type SseFrame } from "./sse.ts";
import { dataFrame, DONE_FRAME, eventFrame, KEEP_ALIVE } from "./sse-write.ts";

function parse(stream: string | Uint8Array, cuts: readonly number[] = []): SseFrame[] {
  const bytes = typeof stream === "string" ? Buffer.from(stream) : stream;
  const parser = new SseParser();
  const frames: SseFrame[] = [];
  let start = 0;
  for (const cut of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    frames.push(...parser.push(bytes.subarray(start, cut)));
    start = cut;
  }
  return frames;
}

test.each<[string, string, SseFrame[]]>([
  ["a data line", "data: a\n\n", [{ event: "", data: "a" }]],
  ["no space after the colon", "data:a\n\n", [{ event: "", data: "a" }]],
  ["only one space is taken off", "data:  a\n\n", [{ event: "", data: " a" }]],
  ["a named event", "event: ping\ndata: {}\n\n", [{ event: "ping", data: "{}" }]],
  ["several data lines", "data: a\ndata: b\ndata\n\n", [{ event: "", data: "a\nb\n" }]],
  [
    "CRLF",
    "event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n",
    [
      { event: "x", data: "a" },
      { event: "", data: "b" },
    ],
  ],
  [
    "lone CR",
    "data: a\r\rdata: b\r\r",
    [
      { event: "", data: "a" },
      { event: "", data: "b" },
    ],
  ],
  ["comments and other fields", ": hi\nid: 1\nretry: 5\nfoo\ndata: a\n\n: bye\n\n", [{ event: "", data: "a" }]],
  ["an event without data is none", "event: x\n\ndata: a\n\n", [{ event: "", data: "a" }]],
  ["a byte order mark", "\uFEFFdata: a\n\n", [{ event: "", data: "a" }]],
  ["no blank line at the end", "data: a\n\ndata: b\n", [{ event: "", data: "a" }]],
])("%s", (_name, stream, frames) => {
  expect(parse(stream)).toEqual(frames);
});

test("any split of the bytes, also inside UTF-8 sequences and CRLF, gives the same frames", () => {
  const line = fc.constantFrom("data: é😀", "data:", 'data: {"a":"ü"}', "event: größe", ": note", "", "", "id: 3");
  const stream = fc
    .tuple(fc.boolean(), fc.array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r")), { minLength: 1, maxLength: 20 }))
    .map(([bom, lines]) => `${bom ? "\uFEFF" : ""}${lines.map(([text, end]) => text + end).join("")}`);
  fc.assert(
    fc.property(stream, fc.array(fc.nat({ max: 300 }), { maxLength: 12 }), (text, cuts) => {
      expect(parse(text, cuts)).toEqual(parse(text));
    }),
    { numRuns: 500 },
  );
  const fixed = "\uFEFFevent: a\r\ndata: é😀\r\n\r\ndata: b\n\n";
  expect(parse(fixed, [...Array(Buffer.byteLength(fixed)).keys()])).toEqual(parse(fixed));
});

test("a frame beyond the limit stops the parser, whether its line ends or not", () => {
  for (const stream of [`data: ${"x".repeat(200)}`, "data: 0123456789\n".repeat(20)]) {
    const parser = new SseParser(100);
    const frames = parser.push(Buffer.from("data: ok\n\n"));
    for (let at = 0; at < stream.length; at += 10) frames.push(...parser.push(Buffer.from(stream.slice(at, at + 10))));
    expect(parser.tooLong).toBe(true);
    expect(frames).toEqual([{ event: "", data: "ok" }]);
    expect(parser.push(Buffer.from("\n\ndata: late\n\n"))).toEqual([]);
  }
});

test("many frames under the limit never add up to it", () => {
  const parser = new SseParser(100);
  let count = 0;
  for (let i = 0; i < 100; i += 1) count += parser.push(Buffer.from(`data: ${"x".repeat(90)}\n\n`)).length;
  expect([count, parser.tooLong]).toEqual([100, false]);
});

test("what is written is read back", () => {
  const stream = dataFrame('{"a":1}') + KEEP_ALIVE + eventFrame("ping", "{}") + DONE_FRAME;
  expect(parse(stream)).toEqual([
    { event: "", data: '{"a":1}' },
    { event: "ping", data: "{}" },
    { event: "", data: "[DONE]" },
  ]);
});
