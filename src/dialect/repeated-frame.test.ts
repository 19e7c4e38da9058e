import { expect, test } from "bun:test";
import type { ChatEvent } from "../core/chat-event.ts";
import { decoder } from "./openai-chat/stream.ts";
import { RepeatedFrame } from "./repeated-frame.ts";

const bytes = (text: string): Buffer => Buffer.from(text);
const frame = (delta: string, more = ""): string =>
  `data: {"choices":[{"index":0,"delta":${delta},"finish_reason":null}],"id":"a","model":"m"${more}}\n\n`;
const said = (text: string): string => frame(JSON.stringify({ content: text }));
const thought = (text: string): string => frame(JSON.stringify({ reasoning_content: text }));

/** Piece by piece as given, and byte by byte: of single bytes none is a whole frame, so all are read in full. */
function readBothWays(pieces: readonly string[]): [ChatEvent[], ChatEvent[]] {
  const whole = decoder();
  const single = decoder();
  const inPieces = pieces.flatMap((piece) => whole.push(bytes(piece)));
  const inBytes = pieces.flatMap((piece) => [...bytes(piece)].flatMap((byte) => single.push(Uint8Array.of(byte))));
  return [
    [...inPieces, ...whole.end()],
    [...inBytes, ...single.end()],
  ];
}

const LOGPROBS = '{"content":[{"token":"x","logprob":-1,"bytes":null,"top_logprobs":[]}]}';
const CASES: Readonly<Record<string, readonly string[]>> = {
  "quotes, escapes and letters of all kinds": ['a "b"', "c\\", "\n", "é€😀", "\u2028", "", "\ufeff", "d"].map(said),
  "thinking, then text, then thinking": [thought("x"), thought("y"), thought("z"), said("1"), said("2"), thought("w")],
  "several frames in one piece": [said("c") + said("d"), said("e") + thought("f"), said("g") + said("")],
  "half a frame, and the rest with the next": [said("c").slice(0, 40), said("c").slice(40) + said("d"), said("e")],
  "a frame that ends the answer": [frame('{"content":"c"}').replace("null}", '"length"}'), said("d")],
  "counts in each frame": [1, 2, 3].map((n) => frame('{"content":"c"}', `,"usage":{"completion_tokens":${n}}`)),
  "probabilities beside the text": [frame(`{"content":"x"}`).replace(',"finish', `,"logprobs":${LOGPROBS},"finish`)],
  "another key of that name before it": ["p", "q", "r"].map((text) =>
    said(text).replace('{"choices"', '{"meta":{"content":"no"},"choices"'),
  ),
  "the same key twice": ["p", "q", "r"].map((text) => frame(`{"content":"no","content":"${text}"}`)),
  "a text beside a text": ["p", "q", "r"].map((text) => frame(`{"content":"${text}","reasoning_content":"t"}`)),
  "a blank behind the colon": ["p", "q", "r"].map((text) => frame(`{"content": "${text}"}`)),
  "data in two lines, then a line that is broken": [
    ...["p", "q", "r"].map((text) => said(text).replace(',"id"', ',\ndata: "id"')),
    said("s").replace(',"id"', ',\n"id"'),
  ],
  "carriage returns": ["p", "q", "r"].map((text) => said(text).replaceAll("\n", "\r\n")),
  "comments and named events between": [said("p"), ": hello\n\n", said("q"), "event: x\n", said("r"), said("s")],
  "a frame for a second answer": ["p", "q"].map((text) => said(text).replace('"index":0', '"index":1')),
  "a raw control character": [said("p"), said("~").replace("~", "\t"), said("q")],
  "bytes that are no UTF-8 word": [said("p"), said("~").replace("~", "\ud800"), said("q")],
  "calls, and text behind them": [
    frame('{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}'),
    said("p"),
  ],
  "an error": [said("p"), 'data: {"error":{"message":"no"}}\n\n', said("q")],
};

for (const [what, pieces] of Object.entries(CASES)) {
  test(`known frames change nothing in what is read: ${what}`, () => {
    const around = [frame('{"role":"assistant","content":null}'), said("a"), said("b"), said("b2")];
    const [fast, full] = readBothWays([...around, ...pieces, ...pieces, said("end"), "data: [DONE]\n\n"]);
    expect(fast).toEqual(full);
  });
}

test("after two frames of one form the third is read without a step", () => {
  const repeated = new RepeatedFrame();
  let steps = 0;
  const again = (data: string): ChatEvent[] => {
    steps += 1;
    return [{ type: "text", text: (JSON.parse(data) as { content: string }).content }];
  };
  const learn = (text: string): void =>
    repeated.learn(JSON.stringify({ content: text, n: 1 }), [{ type: "text", text }], again);
  learn("a");
  expect(repeated.read(bytes('data: {"content":"b","n":1}\n\n'))).toBeNull();
  learn("b");
  expect(repeated.read(bytes('data: {"content":"c","n":1}\n\ndata: {"content":"d","n":1}\n\n'))).toEqual([
    { type: "text", text: "c" },
    { type: "text", text: "d" },
  ]);
  expect(steps).toBe(1);
  expect(repeated.read(bytes('data: {"content":"c","n":2}\n\n'))).toBeNull();
  expect(repeated.read(bytes('data: {"content":"c\\n","n":1}\n\n'))).toBeNull();
  expect(repeated.read(bytes('data: {"content":"c","n":1}\n'))).toBeNull();
});

test("a form whose text turns out to be another one is not taken", () => {
  const repeated = new RepeatedFrame();
  const events: ChatEvent[] = [{ type: "text", text: "same" }];
  for (let at = 0; at < 3; at += 1) repeated.learn('{"content":"same","other":"same"}', events, () => events);
  expect(repeated.read(bytes('data: {"content":"c","other":"same"}\n\n'))).toBeNull();
});
