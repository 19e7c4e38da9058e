import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { decoder } from "./stream.ts";
import { StreamWatch } from "./tail.ts";

const FIXTURES = join(import.meta.dir, "fixtures");

function watch(stream: string | Uint8Array, keepUsage = true, cuts: readonly number[] = []) {
  const bytes = typeof stream === "string" ? Buffer.from(stream) : stream;
  const watching = new StreamWatch({ keepUsage });
  const sent: Uint8Array[] = [];
  let start = 0;
  for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
    sent.push(watching.push(bytes.subarray(start, cut)));
    start = cut;
  }
  return { watching, sent: Buffer.concat(sent).toString(), pieces: sent };
}

/** How many frames have something to read in them. */
function contentFrames(stream: string): number {
  const deltas = [...stream.matchAll(/^data: (\{.*\})$/gm)].flatMap(([, json = ""]) => {
    const { choices } = JSON.parse(json) as { choices: { delta: Record<string, unknown> }[] };
    return choices.map(({ delta }) => delta);
  });
  const says = ([name, value]: [string, unknown]): boolean => name !== "role" && value !== null && value !== "";
  return deltas.filter((delta) => Object.entries(delta).some(says)).length;
}

for (const name of readdirSync(FIXTURES).filter((one) => one.endsWith(".sse"))) {
  test(`${name}: passing it through tells what decoding it tells, in any pieces`, () => {
    const bytes = new Uint8Array(readFileSync(join(FIXTURES, name)));
    const events = decoder().push(bytes);
    const stream = Buffer.from(bytes).toString();
    const frames = contentFrames(stream);
    const usage = events.find((event) => event.type === "usage");
    fc.assert(
      fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 20 }), fc.boolean(), (cuts, keepUsage) => {
        const { watching, sent, pieces } = watch(bytes, keepUsage, cuts);
        expect([watching.finished, watching.done, watching.complete, watching.error]).toEqual([true, true, true, null]);
        expect(watching.usage).toEqual(usage?.usage ?? null);
        expect(watching.contentFrames).toBe(frames);
        // Nothing is forwarded after the end, and the usage chunk only where it is wanted.
        const whole = stream.slice(0, stream.indexOf("[DONE]\n\n") + "[DONE]\n\n".length);
        expect(sent).toBe(keepUsage ? whole : whole.replace(/data: \{[^\n]*"choices": ?\[\],[^\n]*\n\n/, ""));
        for (const piece of pieces)
          expect(piece.length === 0 || Buffer.from(piece).toString().endsWith("\n\n")).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
}

test.each<[string, string, number]>([
  ["text", '{"content":"a"}', 1],
  ["text with spaces", '{ "content" : "a" }', 1],
  ["text after the role", '{"role":"assistant","content":"a"}', 1],
  ["thinking", '{"reasoning_content":"a"}', 1],
  ["thinking under its other name", '{"content":null,"reasoning":"a"}', 1],
  ["a call", '{"content":null,"tool_calls":[{"index":0}]}', 1],
  ["a refusal", '{"refusal":"no"}', 1],
  ["the role only", '{"role":"assistant","content":null}', 0],
  ["empty text", '{"role":"assistant","content":""}', 0],
  ["no calls", '{"tool_calls":[]}', 0],
  ["another member", '{"note":{"content":"a"},"list":["x","]"]}', 0],
  ["another member, then text", '{"note":{"content":"\\"}"},"list":["x","]"],"content":"a"}', 1],
])("a delta with %s counts %#", (_name, delta, count) => {
  const { watching } = watch(`data: {"choices":[{"index":0,"delta":${delta},"finish_reason":null}]}\n\n`);
  expect([watching.contentFrames, watching.finished]).toEqual([count, false]);
});

test("words inside the text are no finish, no usage, no end and no error", () => {
  const text = JSON.stringify('"finish_reason":"stop" "usage":{"prompt_tokens":1} "error" [DONE] "delta"');
  const stream = `data: {"choices":[{"index":0,"delta":{"content":${text}},"finish_reason":null}],"usage":null}\n\n`;
  const { watching, sent } = watch(stream, false);
  expect(sent).toBe(stream);
  expect([watching.finished, watching.usage, watching.done, watching.error]).toEqual([false, null, false, null]);
});

test("a model named like a key of the stream does not hide the content", () => {
  const { watching } = watch('data: {"model":"delta","x":"usage","choices":[{"delta":{"content":"a"}}]}\n\n');
  expect([watching.contentFrames, watching.error]).toEqual([1, null]);
});

test("running usage beside content is noted and not cut out", () => {
  const stream =
    'data: {"choices": [{"delta": {"content": "a"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}\n\n';
  const { watching, sent } = watch(stream, false);
  expect([sent, watching.contentFrames, watching.usage?.promptTokens]).toEqual([stream, 1, 3]);
});

test("CRLF streams and comments pass", () => {
  const stream =
    ': hi\r\n\r\ndata: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\r\n\r\ndata: [DONE]\r\n\r\n';
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const { watching, sent } = watch(stream, true, [cut]);
    expect([sent, watching.contentFrames, watching.complete]).toEqual([stream, 1, true]);
  }
});

test("half a frame at the end is held back and the answer is not complete", () => {
  const whole = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n';
  const { watching, sent } = watch(`${whole}data: {"choices":[{"del`);
  expect([sent, watching.complete]).toEqual([whole, false]);
});

test("a finish reason without [DONE] is complete", () => {
  expect(watch('data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n').watching.complete).toBe(true);
});

test("an error frame is told, not forwarded, and ends the watch", () => {
  const before = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n';
  const { watching, sent } = watch(`${before}data: {"error":{"message":"out of memory"}}\n\ndata: [DONE]\n\n`);
  expect([sent, watching.error, watching.done, watching.complete]).toEqual([before, "out of memory", false, false]);
  expect(watching.push(Buffer.from(before))).toHaveLength(0);
});

test("nothing is forwarded after [DONE]", () => {
  const { watching, sent } = watch("data: [DONE]\n\ndata: late\n\n");
  expect([sent, watching.push(Buffer.from("data: later\n\n")).length]).toEqual(["data: [DONE]\n\n", 0]);
});

test("a frame without an end is an error, not a full memory", () => {
  const watching = new StreamWatch({ keepUsage: true });
  const megabyte = new Uint8Array(1024 * 1024).fill(0x61);
  for (let i = 0; i < 20; i += 1) watching.push(megabyte);
  expect(watching.error).toContain("too long");
});

const FRAME = 'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}],"usage":null}\n\n';

function passes(frames: readonly string[], before = FRAME): { passed: boolean; content: number } {
  const watching = new StreamWatch({ keepUsage: false });
  watching.push(Buffer.from(before));
  const offsets = new Int32Array(2 * frames.length);
  let at = 0;
  for (const [index, frame] of frames.entries()) {
    offsets[2 * index] = at;
    offsets[2 * index + 1] = at += Buffer.byteLength(frame);
  }
  const passed = watching.pass(Buffer.from(frames.join("")), { offsets, count: frames.length });
  return { passed, content: watching.contentFrames };
}

test("whole frames of content pass untouched, each is counted", () => {
  expect(passes([FRAME])).toEqual({ passed: true, content: 2 });
  expect(passes([FRAME, FRAME + FRAME])).toEqual({ passed: true, content: 4 });
  const empty = 'data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]}\n\n';
  expect(passes([FRAME, empty])).toEqual({ passed: true, content: 2 });
});

test("what must be looked at more closely does not pass, and nothing of it is noted", () => {
  const finish = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
  const usage = 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n';
  const error = 'data: {"error":{"message":"no"}}\n\n';
  for (const odd of [finish, usage, error, "data: [DONE]\n\n", ": hello\n\n"]) {
    expect([odd, passes([FRAME, odd])]).toEqual([odd, { passed: false, content: 1 }]);
    expect([odd, passes([odd + FRAME])]).toEqual([odd, { passed: false, content: 1 }]);
  }
  expect(passes([FRAME.replaceAll("\n", "\r\n")])).toEqual({ passed: false, content: 1 });
  // A frame in two chunks, half a frame before, and a stream whose line ends are not known yet.
  expect(passes([FRAME.slice(0, 20), FRAME.slice(20)])).toEqual({ passed: false, content: 1 });
  expect(passes([FRAME], FRAME + FRAME.slice(0, 20))).toEqual({ passed: false, content: 1 });
  expect(passes([FRAME], "")).toEqual({ passed: false, content: 0 });
});
