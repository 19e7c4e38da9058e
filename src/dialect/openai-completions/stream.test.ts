import { expect, test } from "bun:test";
import fc from "fast-check";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { fromResponseBody, toResponseBody } from "./response.ts";
import { decoder, encoder } from "./stream.ts";

const META: AnswerMeta = {
  id: "cmpl-1",
  model: "asked",
  createdAt: 1_700_000_000_999,
  includeUsage: false,
  promptTokensEstimate: 3,
};
const HEAD = '"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"asked"';
const USAGE = { promptTokens: 9, completionTokens: 2, cachedTokens: 4 };

function chunk(text: string, finish: string | null = null, more: object = {}): string {
  const choices = [{ index: 0, text, finish_reason: finish, logprobs: null, ...more }];
  return `data: ${JSON.stringify({ id: "c1", model: "m", choices })}\n\n`;
}

function decode(stream: string): ChatEvent[] {
  const decoding = decoder();
  return [...decoding.push(Buffer.from(stream)), ...decoding.end()];
}

const KILLED = "the answer ended early";

test.each<[string, string, string]>([
  ["killed before the first frame", "", KILLED],
  ["killed in mid-stream", chunk("a"), KILLED],
  ["half a frame", chunk("a") + chunk("b").slice(0, 30), KILLED],
  ["half the closing frame", chunk("a") + chunk("", "stop").trimEnd(), KILLED],
  ["not JSON", `${chunk("a")}data: {"choices":[\n\n`, "not JSON"],
  ["JSON of another shape", "data: [1]\n\n", "unknown shape"],
  ["a wrong type inside", 'data: {"choices":[{"text":5}]}\n\n', "unknown shape"],
  ["an error frame", `${chunk("a")}data: {"error":{"message":"CUDA out of memory"}}\n\n`, "CUDA out of memory"],
  ["an engine that gives up", chunk("", "abort"), "gave the answer up"],
])("%s is one failure, the last event", (_name, stream, cause) => {
  const events = decode(stream);
  expect(events.filter((event) => event.type === "failed" || event.type === "done")).toEqual([
    { type: "failed", failure: { kind: "engine_failed", engine: "engine", cause: expect.stringContaining(cause) } },
  ]);
  expect(events.at(-1)?.type).toBe("failed");
});

test("a finish reason without [DONE] is an end, and nothing is read after it", () => {
  expect(decode(chunk("a") + chunk("", "length")).at(-1)).toEqual({ type: "done", reason: "length" });
  const decoding = decoder();
  decoding.push(Buffer.from(`${chunk("a", "stop")}data: [DONE]\n\n`));
  expect([...decoding.push(Buffer.from(chunk("late"))), ...decoding.end()]).toEqual([]);
});

test.each<[string, object]>([
  ["<html>", { cause: "the answer is not JSON" }],
  ['{"error":{"message":"boom"}}', { cause: "boom" }],
  ['{"choices":[]}', { cause: "the answer has no choices" }],
  ['{"choices":5}', { cause: "the answer has an unknown shape" }],
])("a whole answer of %j is a failure", (body, failure) => {
  expect(fromResponseBody(body).at(-1)).toMatchObject({ type: "failed", failure });
});

function encodeAll(events: readonly ChatEvent[], meta = META): string {
  const encoding = encoder(meta);
  return events.map((event) => encoding.encode(event)).join("");
}

test("a stream has text chunks, the reason in its own and [DONE]; usage only when it was asked for", () => {
  const events: ChatEvent[] = [
    { type: "start", id: "x" },
    { type: "text", text: "hi" },
    { type: "usage", usage: USAGE },
    { type: "done", reason: "stop_sequence", stopSequence: "END" },
  ];
  const content = [
    `data: {${HEAD},"choices":[{"text":"hi","index":0,"logprobs":null,"finish_reason":null}]}\n\n`,
    `data: {${HEAD},"choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}]}\n\n`,
  ].join("");
  expect(encodeAll(events)).toBe(`${content}data: [DONE]\n\n`);
  const usage =
    '{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4}}';
  expect(encodeAll(events, { ...META, includeUsage: true })).toBe(
    `${content}data: {${HEAD},"choices":[],"usage":${usage}}\n\ndata: [DONE]\n\n`,
  );
});

test("log probabilities are lists side by side, with offsets through the whole answer", () => {
  const top = [{ token: "b", logprob: -2, bytes: null }];
  const frames = encodeAll([
    {
      type: "text",
      text: "😀a",
      logprobs: [
        { token: "😀", logprob: -1, bytes: null, top },
        { token: "a", logprob: 0, bytes: null, top: [] },
      ],
    },
    { type: "text", text: "c", logprobs: [{ token: "c", logprob: -3, bytes: [99], top: [] }] },
  ]).split("\n\n");
  const logprobs = frames.slice(0, 2).map((frame) => JSON.parse(frame.slice(6)).choices[0].logprobs);
  expect(logprobs).toEqual([
    { tokens: ["😀", "a"], token_logprobs: [-1, 0], top_logprobs: [{ b: -2 }, {}], text_offset: [0, 1] },
    { tokens: ["c"], token_logprobs: [-3], top_logprobs: [{}], text_offset: [2] },
  ]);
});

test("a failure in mid-stream is an error frame and no [DONE]", () => {
  const failure = { kind: "engine_failed", engine: "vllm", cause: "killed" } as const;
  const text = encodeAll([
    { type: "text", text: "a" },
    { type: "failed", failure },
    { type: "done", reason: "stop" },
  ]);
  expect(JSON.parse(text.split("\n\n")[1]?.slice(6) ?? "")).toMatchObject({ error: { code: "engine_failed" } });
  expect(text).not.toContain("[DONE]");
  expect(encodeAll([{ type: "failed", failure: { kind: "cancelled" } }])).toBe("");
});

test("a whole answer has its one choice and its usage", () => {
  const answer = { thinking: "", refusal: "", toolCalls: [], usage: USAGE, reason: "length" as const };
  const logprobs = [{ token: "a", logprob: -1, bytes: null, top: [] }];
  expect<unknown>(toResponseBody([{ ...answer, text: "a", logprobs }], META)).toEqual({
    id: "cmpl-1",
    object: "text_completion",
    created: 1_700_000_000,
    model: "asked",
    choices: [
      {
        text: "a",
        index: 0,
        logprobs: { tokens: ["a"], token_logprobs: [-1], top_logprobs: [{}], text_offset: [0] },
        finish_reason: "length",
      },
    ],
    usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11, prompt_tokens_details: { cached_tokens: 4 } },
  });
  const refused = { ...answer, text: "", logprobs: [], reason: "content_filter" as const };
  expect(toResponseBody([refused], META)).toMatchObject({
    choices: [{ text: "", logprobs: null, finish_reason: "content_filter" }],
  });
});

test("the choices of one stream are told by their index, and only the last one ends it", () => {
  const meta = { ...META, includeUsage: true };
  const frames = [0, 1].map((index) => {
    const encoding = encoder(meta, { index, last: index === 1 });
    const events: ChatEvent[] = [
      { type: "text", text: "a" },
      { type: "usage", usage: USAGE },
      { type: "done", reason: "stop" },
    ];
    return events.map((event) => encoding.encode(event)).join("");
  });
  expect(frames[0]).toContain('"index":0');
  expect(frames[0]).not.toContain("[DONE]");
  expect(frames[0]).not.toContain("usage");
  expect(frames[1]).toContain('"index":1');
  expect(frames[1]?.split("\n\n").slice(-3)).toEqual([expect.stringContaining('"usage"'), "data: [DONE]", ""]);
});

test("an answer that is written and read again is the same, streamed and whole", () => {
  const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
  const reason = fc.constantFrom("stop", "length", "content_filter" as const);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 5 }), reason, (words, end) => {
      const tail: ChatEvent[] = [
        { type: "usage", usage: USAGE },
        { type: "done", reason: end },
      ];
      const said = words.map((text): ChatEvent => ({ type: "text", text }));
      const start: ChatEvent = { type: "start", id: "cmpl-1", model: "asked" };
      expect(decode(encodeAll([...said, ...tail], { ...META, includeUsage: true }))).toEqual([start, ...said, ...tail]);
      const text = words.join("");
      const answer = { text, thinking: "", refusal: "", toolCalls: [], logprobs: [], usage: USAGE, reason: end };
      const whole: ChatEvent[] = text === "" ? [] : [{ type: "text", text }];
      const body = JSON.stringify(toResponseBody([answer], META));
      expect(fromResponseBody(body)).toEqual([start, ...whole, ...tail]);
    }),
    { numRuns: 200 },
  );
});
