import { expect, test } from "bun:test";
import fc from "fast-check";
import { BodyReader } from "./body-reader.ts";
import { framingOf, parseFields } from "./head.ts";

interface Read {
  readonly text: string;
  readonly ended: boolean;
  readonly rest: string;
}

/** Feeds the pieces one after another, as a connection would. */
function read(framing: "chunked" | number, pieces: readonly Buffer[]): Read | "nonsense" {
  let text = "";
  let ended = false;
  let rest = "";
  const reader = new BodyReader({
    onPiece: (bytes) => (text += Buffer.from(bytes).toString("latin1")),
    onEnd: () => (ended = true),
  });
  reader.begin(framing === "chunked" ? { kind: "chunked" } : { kind: "length", bytes: framing });
  for (const piece of pieces) {
    if (ended) {
      rest += piece.toString("latin1");
      continue;
    }
    const next = reader.push(piece, 0);
    if (next < 0) return "nonsense";
    if (ended) rest += piece.toString("latin1", next);
  }
  return { text, ended, rest };
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

test("any split of a chunked body gives the same bytes, its end, and what follows it", () => {
  const body = fc.array(fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 40 }), { maxLength: 8 });
  const cuts = fc.array(fc.nat(500), { maxLength: 12 });
  fc.assert(
    fc.property(body, cuts, fc.boolean(), (chunks, at, trailer) => {
      const framed = chunks.map((chunk) => `${chunk.length.toString(16)};x=1\r\n${chunk}\r\n`).join("");
      const bytes = Buffer.from(`${framed}0\r\n${trailer ? "x-sum: 1\r\n" : ""}\r\nNEXT`, "latin1");
      expect(read("chunked", split(bytes, at))).toEqual({ text: chunks.join(""), ended: true, rest: "NEXT" });
    }),
  );
});

test("any split of a body with a length gives the same bytes", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary-ascii", maxLength: 60 }), fc.array(fc.nat(80)), (text, at) => {
      const read_ = read(text.length, split(Buffer.from(`${text}NEXT`, "latin1"), at));
      expect(read_).toEqual({ text, ended: true, rest: "NEXT" });
    }),
  );
});

test("what is no chunk is nonsense: no size, a size that is none, no line end behind the data", () => {
  for (const bytes of ["\r\n", "zz\r\n", "-1\r\nx", "3\r\nabcd\r\n", "fffffffffffffff\r\n", "5".repeat(9000)])
    expect(read("chunked", [Buffer.from(bytes)])).toBe("nonsense");
});

test("a body that has not come whole has not ended", () => {
  expect(read("chunked", [Buffer.from("5\r\nabc")])).toEqual({ text: "abc", ended: false, rest: "" });
  expect(read(5, [Buffer.from("abc")])).toEqual({ text: "abc", ended: false, rest: "" });
});

test("header lines are strict, and framing that two programs could read differently is refused", () => {
  expect(parseFields("A: 1\r\na:2\r\nB:  x ")).toEqual(
    new Map([
      ["a", "1, 2"],
      ["b", "x"],
    ]),
  );
  for (const text of ["no colon", ": x", "a b: c", " folded", "a: b\nc: d", "a: \0"])
    expect(parseFields(text)).toBeNull();
  const framing = (text: string) => framingOf(parseFields(text) ?? new Map());
  expect(framing("content-length: 5")).toEqual({ kind: "length", bytes: 5 });
  expect(framing("transfer-encoding: Chunked")).toEqual({ kind: "chunked" });
  expect(framing("x: y")).toEqual({ kind: "close" });
  for (const text of [
    "content-length: 5\r\ncontent-length: 6",
    "content-length: +5",
    "content-length: 0x5",
    "content-length: 5\r\ntransfer-encoding: chunked",
    "transfer-encoding: gzip, chunked",
  ])
    expect(framing(text)).toBeNull();
});

/** The data of whole chunks, or null where the reader does not see whole chunks. */
function wholeChunks(bytes: string, before = ""): string[] | null {
  const reader = new BodyReader({ onPiece: () => undefined, onEnd: () => undefined });
  reader.begin({ kind: "chunked" });
  if (before !== "") reader.push(Buffer.from(before, "latin1"), 0);
  const buffer = Buffer.from(bytes, "latin1");
  const spans = reader.wholeChunks(buffer);
  if (spans === null) return null;
  return Array.from({ length: spans.count }, (_, at) =>
    buffer.toString("latin1", spans.offsets[2 * at], spans.offsets[2 * at + 1]),
  );
}

test("whole chunks are told with where their data lies", () => {
  expect(wholeChunks("3\r\nabc\r\n")).toEqual(["abc"]);
  expect(wholeChunks("3\r\nabc\r\n00A\r\n0123456789\r\n")).toEqual(["abc", "0123456789"]);
  expect(wholeChunks("3\r\nabc\r\n", "1\r\nx\r\n")).toEqual(["abc"]);
});

test("anything but whole chunks is no whole chunks", () => {
  for (const bytes of [
    "3\r\nabc\r",
    "3\r\nab",
    "3\r\nabcd\r\n",
    "3;x=1\r\nabc\r\n",
    "3\nabc\n",
    "0\r\n\r\n",
    "3\r\nabc\r\n0\r\n\r\n",
    "\r\nabc\r\n",
    "fffffff\r\nabc\r\n",
    "1\r\nx\r\n".repeat(65),
  ])
    expect([bytes, wholeChunks(bytes)]).toEqual([bytes, null]);
  expect(wholeChunks("3\r\nabc\r\n", "3\r\nab")).toBeNull();
  expect(wholeChunks("3\r\nabc\r\n", "1")).toBeNull();
});
