import { expect, test } from "bun:test";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { KEEP_ALIVE } from "./keep-alive.ts";
import { decoder, encoder, lineEncoder } from "./stream.ts";

const META: AnswerMeta = {
  id: "unused",
  model: "asked",
  createdAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  includeUsage: true,
  promptTokensEstimate: 3,
};
const HEAD = '{"model":"asked","created_at":"2026-01-02T03:04:05.678Z"';
const USAGE: ChatEvent = { type: "usage", usage: { promptTokens: 5, completionTokens: 2, cachedTokens: 1 } };

function line(message: object, more: object = {}): string {
  const created_at = "2026-01-01T00:00:00.5Z";
  return `${JSON.stringify({ model: "m", created_at, message: { role: "assistant", content: "", ...message }, done: false, ...more })}\n`;
}

const END = line({}, { done: true, done_reason: "stop", prompt_eval_count: 3, eval_count: 2 });

function decode(stream: string): ChatEvent[] {
  const decoding = decoder();
  return [...decoding.push(Buffer.from(stream)), ...decoding.end()];
}

const KILLED = "the answer ended early";

test.each<[string, string, string]>([
  ["killed before the first line", "", KILLED],
  ["killed in mid-stream", line({ content: "a" }), KILLED],
  ["half a line", line({ content: "a" }) + line({ content: "b" }).slice(0, 40), KILLED],
  ["half the last line", line({ content: "a" }) + END.slice(0, -20), KILLED],
  ["done is false to the end", line({ content: "a" }) + line({}, { done_reason: "stop" }), KILLED],
  ["not JSON", `${line({ content: "a" })}<html>\n`, "not JSON"],
  ["JSON of another shape", "[1]\n", "unknown shape"],
  ["a wrong type inside", '{"message":{"content":5}}\n', "unknown shape"],
  ["an error in mid-stream", `${line({ content: "a" })}{"error":"CUDA out of memory"}\n`, "CUDA out of memory"],
  ["an error line in a 200", '{"error":"llama runner process has terminated"}\n', "has terminated"],
  ["an error line without its end", '{"error":"boom"}', "boom"],
  ["an error object", '{"error":{"message":"boom"}}\n', "boom"],
  ["a load in place of an answer", line({}, { done: true, done_reason: "load" }), "loaded the model"],
])("%s is one failure, the last event", (_name, stream, cause) => {
  const events = decode(stream);
  expect(events.filter((event) => event.type === "failed" || event.type === "done")).toEqual([
    { type: "failed", failure: { kind: "engine_failed", engine: "engine", cause: expect.stringContaining(cause) } },
  ]);
  expect(events.at(-1)?.type).toBe("failed");
});

test("a line without an end is a failure, not a full memory", () => {
  const decoding = decoder();
  const megabyte = new Uint8Array(1024 * 1024).fill(0x61);
  const events: ChatEvent[] = [];
  for (let i = 0; i < 20; i += 1) events.push(...decoding.push(megabyte));
  expect(events).toMatchObject([{ type: "failed", failure: { cause: expect.stringContaining("too long") } }]);
});

test("nothing is read after the end", () => {
  const decoding = decoder();
  decoding.push(Buffer.from(line({ content: "a" }) + END));
  expect(decoding.push(Buffer.from(line({ content: "late" })))).toEqual([]);
  expect(decoding.end()).toEqual([]);
});

test("calls without ids get ids that no other answer has, and end the answer though the engine says stop", () => {
  const calls = line({
    tool_calls: [{ function: { name: "f", arguments: { b: 1, a: 2 } } }, { function: { name: "f" } }],
  });
  expect(decode(calls + END).slice(1)).toEqual([
    { type: "tool_call", index: 0, id: "call_202601010000005_0", name: "f" },
    { type: "tool_arguments", index: 0, json: '{"b":1,"a":2}' },
    { type: "tool_call", index: 1, id: "call_202601010000005_1", name: "f" },
    { type: "tool_arguments", index: 1, json: "{}" },
    { type: "usage", usage: { promptTokens: 3, completionTokens: 2, cachedTokens: 0 } },
    { type: "done", reason: "tool_calls" },
  ]);
});

test("the last line may still say something", () => {
  const last = line({ content: "z", thinking: "t" }, { done: true, done_reason: "length" });
  expect(decode(last).slice(1)).toEqual([
    { type: "thinking", text: "t" },
    { type: "text", text: "z" },
    { type: "done", reason: "length" },
  ]);
});

function encodeAll(events: readonly ChatEvent[], meta = META): string {
  const encoding = encoder(meta);
  return events.map((event) => encoding.encode(event)).join("");
}

test("a stream has the bytes of Ollama's: content lines, then one done line with every duration", () => {
  const text = encodeAll([
    { type: "start", id: "x", model: "engine-name" },
    { type: "thinking", text: "h\n" },
    { type: "thinking_signature", signature: "s" },
    { type: "text", text: "é" },
    USAGE,
    { type: "done", reason: "length" },
  ]);
  expect(text).toBe(
    [
      `${HEAD},"message":{"role":"assistant","content":"","thinking":"h\\n"},"done":false}`,
      `${HEAD},"message":{"role":"assistant","content":"é"},"done":false}`,
      `${HEAD},"message":{"role":"assistant","content":""},"done":true,"done_reason":"length","total_duration":0,"load_duration":0,"prompt_eval_count":5,"prompt_eval_duration":0,"eval_count":2,"eval_duration":0}`,
      "",
    ].join("\n"),
  );
});

test("calls come whole in one line before the end, whatever their pieces' order", () => {
  const lines = encodeAll([
    { type: "tool_call", index: 0, id: "a", name: "f" },
    { type: "tool_call", index: 1, id: "b", name: "g" },
    { type: "tool_arguments", index: 1, json: '{"y":' },
    { type: "tool_arguments", index: 1, json: "1}" },
    { type: "done", reason: "tool_calls" },
  ]).split("\n");
  expect(lines).toHaveLength(3);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    message: {
      role: "assistant",
      content: "",
      tool_calls: [
        { id: "a", function: { index: 0, name: "f", arguments: {} } },
        { id: "b", function: { index: 1, name: "g", arguments: { y: 1 } } },
      ],
    },
    done: false,
  });
  expect(JSON.parse(lines[1] ?? "")).toMatchObject({ done: true, done_reason: "stop" });
});

test("durations are told in nanoseconds where time is measured, never 0", () => {
  const times = [200, 1200];
  const now = (): number => META.createdAt + (times.shift() ?? 1200);
  const lines = encodeAll([{ type: "start" }, { type: "text", text: "a" }, { type: "done", reason: "stop" }], {
    ...META,
    now,
  }).split("\n");
  expect(JSON.parse(lines[1] ?? "")).toMatchObject({
    total_duration: 1_200_000_000,
    prompt_eval_duration: 200_000_000,
    eval_duration: 1_000_000_000,
  });
  const atOnce = encodeAll([{ type: "done", reason: "stop" }], { ...META, now: () => META.createdAt });
  expect(JSON.parse(atOnce)).toMatchObject({ total_duration: 1, eval_duration: 1 });
});

test("a failure in mid-stream is an error line and no done line", () => {
  const failure = { kind: "engine_failed", engine: "vllm", cause: "killed" } as const;
  const lines = encodeAll([{ type: "text", text: "a" }, { type: "failed", failure }, USAGE]).split("\n");
  expect(lines).toHaveLength(3);
  expect(JSON.parse(lines[1] ?? "")).toEqual({ error: expect.stringContaining("killed") });
  expect(encodeAll([{ type: "failed", failure: { kind: "cancelled" } }])).toBe("");
});

test("log probabilities, refusals and omitted thinking", () => {
  const top = [{ token: "b", logprob: -2, bytes: null }];
  const lines = encodeAll(
    [
      { type: "thinking", text: "secret" },
      { type: "text", text: "a", logprobs: [{ token: "a", logprob: -1, bytes: [97], top }] },
      { type: "refusal", text: "no" },
    ],
    { ...META, omitThinking: true },
  ).split("\n");
  expect(lines.slice(0, 2).map((one) => JSON.parse(one))).toMatchObject([
    {
      message: { content: "a" },
      logprobs: [{ token: "a", logprob: -1, bytes: [97], top_logprobs: [{ token: "b", logprob: -2 }] }],
    },
    { message: { content: "no" } },
  ]);
});

test("keep-alives between lines change nothing that a client reads line by line", () => {
  const encoding = encoder(META);
  const text = [
    KEEP_ALIVE,
    encoding.encode({ type: "text", text: "a" }),
    KEEP_ALIVE,
    KEEP_ALIVE,
    encoding.encode({ type: "done", reason: "stop" }),
  ].join("");
  const lines = text.split("\n").filter((one) => one !== "");
  expect(lines.map((one) => JSON.parse(one).done)).toEqual([false, true]);
  expect(decode(text).map((event) => event.type)).toEqual(["start", "text", "usage", "done"]);
});

test("/api/generate has the text in response", () => {
  const encoding = lineEncoder("generate", META);
  expect(encoding.encode({ type: "text", text: "a" })).toBe(`${HEAD},"response":"a","done":false}\n`);
  expect(encoding.encode({ type: "thinking", text: "t" })).toBe(`${HEAD},"response":"","thinking":"t","done":false}\n`);
  expect(JSON.parse(encoding.encode({ type: "done", reason: "stop" }))).toMatchObject({ response: "", done: true });
});
