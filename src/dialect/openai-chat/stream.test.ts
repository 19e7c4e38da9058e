import { expect, test } from "bun:test";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { decoder, encoder } from "./stream.ts";

const META: AnswerMeta = {
  id: "chatcmpl-1",
  model: "asked",
  createdAt: 1_700_000_000_999,
  includeUsage: false,
  promptTokensEstimate: 3,
};

function chunk(delta: object, finish: string | null = null, more: object = {}): string {
  const choices = [{ index: 0, delta, finish_reason: finish, ...more }];
  return `data: ${JSON.stringify({ id: "c1", model: "m", choices })}\n\n`;
}

function decode(stream: string): ChatEvent[] {
  const decoding = decoder();
  return [...decoding.push(Buffer.from(stream)), ...decoding.end()];
}

function calls(events: readonly ChatEvent[]): string[] {
  const made: string[] = [];
  for (const event of events) {
    if (event.type === "tool_call") made[event.index] = `${event.id} ${event.name}`;
    if (event.type === "tool_arguments") made[event.index] += ` ${event.json}`;
  }
  return made;
}

function call(index: number | null, id: string | null, name: string | null, json: unknown): object {
  return {
    tool_calls: [
      {
        ...(index === null ? {} : { index }),
        ...(id ? { id } : {}),
        function: { ...(name ? { name } : {}), arguments: json },
      },
    ],
  };
}

const KILLED = "the answer ended early";

test.each<[string, string, string]>([
  ["killed before the first frame", "", KILLED],
  ["killed in mid-stream", chunk({ content: "a" }), KILLED],
  ["half a frame", chunk({ content: "a" }) + chunk({ content: "b" }).slice(0, 30), KILLED],
  ["half the closing frame", chunk({ content: "a" }) + chunk({}, "stop").trimEnd(), KILLED],
  ["not JSON", `${chunk({ content: "a" })}data: {"choices":[\n\n`, "not JSON"],
  ["JSON of another shape", "data: [1]\n\n", "unknown shape"],
  ["a wrong type inside", 'data: {"choices":[{"delta":{"content":5}}]}\n\n', "unknown shape"],
  [
    "an error frame",
    `${chunk({ content: "a" })}data: {"error":{"message":"CUDA out of memory"}}\n\n`,
    "CUDA out of memory",
  ],
  ["an error that is a text", 'data: {"error":"boom"}\n\n', "boom"],
  ["an engine that gives up", chunk({}, "abort"), "gave the answer up"],
  ["a call that never gets a name", chunk(call(0, "a", null, "{}")) + chunk({}, "tool_calls"), "without a name"],
])("%s is one failure, the last event", (_name, stream, cause) => {
  const events = decode(stream);
  expect(events.filter((event) => event.type === "failed" || event.type === "done")).toEqual([
    { type: "failed", failure: { kind: "engine_failed", engine: "engine", cause: expect.stringContaining(cause) } },
  ]);
  expect(events.at(-1)?.type).toBe("failed");
});

test("a finish reason without [DONE] is an end", () => {
  expect(decode(chunk({ content: "a" }) + chunk({}, "length")).at(-1)).toEqual({ type: "done", reason: "length" });
});

test("nothing is read after the end", () => {
  const decoding = decoder();
  decoding.push(Buffer.from(`${chunk({ content: "a" }, "stop")}data: [DONE]\n\n`));
  expect(decoding.push(Buffer.from(chunk({ content: "late" })))).toEqual([]);
  expect(decoding.end()).toEqual([]);
});

test("usage comes before done, from whichever chunk told it last", () => {
  const usage = (n: number) => ({ usage: { prompt_tokens: 5, completion_tokens: n } });
  const running = `data: ${JSON.stringify({ choices: [{ delta: { content: "a" } }], ...usage(1) })}\n\n`;
  const events = decode(
    `${running}${chunk({}, "stop")}data: ${JSON.stringify({ choices: [], ...usage(2) })}\n\ndata: [DONE]\n\n`,
  );
  expect(events.slice(-2)).toEqual([
    { type: "usage", usage: { promptTokens: 5, completionTokens: 2, cachedTokens: 0 } },
    { type: "done", reason: "stop" },
  ]);
});

test.each<[string, object[], string[]]>([
  ["in pieces", [call(0, "a", "f", ""), call(0, null, null, '{"x"'), call(0, null, null, ":1}")], ['a f {"x" :1}']],
  ["with the id and name repeated", [call(0, "a", "f", "{"), call(0, "a", "f", "}")], ["a f { }"]],
  [
    "parallel, interleaved",
    [call(0, "a", "f", "{"), call(1, "b", "g", "{"), call(0, null, null, "}"), call(1, null, null, "}")],
    ["a f { }", "b g { }"],
  ],
  ["parallel, all with index 0", [call(0, "a", "f", "{}"), call(0, "b", "g", "{}")], ["a f {}", "b g {}"]],
  ["parallel, without index", [call(null, "a", "f", "{}"), call(null, "b", "g", "{}")], ["a f {}", "b g {}"]],
  ["whole, as an object", [call(0, "a", "f", { x: 1 })], ['a f {"x":1}']],
  ["with the name after the id", [call(0, "a", null, "{"), call(0, null, "f", "}")], ["a f {}"]],
])("a tool call %s is understood", (_name, deltas, expected) => {
  const events = decode(`${deltas.map((delta) => chunk(delta)).join("")}${chunk({}, "tool_calls")}data: [DONE]\n\n`);
  expect(calls(events)).toEqual(expected);
  expect(events.at(-1)).toEqual({ type: "done", reason: "tool_calls" });
});

test("calls without ids get ids of their own", () => {
  const events = decode(chunk(call(0, null, "f", "{}")) + chunk(call(0, null, "g", "{}")) + chunk({}, "stop"));
  const ids = events.flatMap((event) => (event.type === "tool_call" ? [event.id] : []));
  expect(ids).toHaveLength(2);
  expect(new Set(ids).size).toBe(2);
  for (const id of ids) expect(id).toMatch(/^[a-zA-Z0-9_-]+$/);
});

test("a tool call makes the end one of tool calls though the engine says stop, but a cut stays a cut", () => {
  expect(decode(chunk(call(0, "a", "f", "{}")) + chunk({}, "stop")).at(-1)).toMatchObject({ reason: "tool_calls" });
  expect(decode(chunk(call(0, "a", "f", "{")) + chunk({}, "length")).at(-1)).toMatchObject({ reason: "length" });
});

test("thinking under either name, refusals and a matched stop string are understood", () => {
  const events = decode(
    chunk({ reasoning: "a" }) + chunk({ reasoning_content: "b" }) + chunk({ refusal: "no" }) + chunk({}, "stop"),
  );
  expect(events.slice(1)).toEqual([
    { type: "thinking", text: "a" },
    { type: "thinking", text: "b" },
    { type: "refusal", text: "no" },
    { type: "done", reason: "refusal" },
  ]);
  expect(decode(chunk({ content: "x" }, "stop", { stop_reason: "END" })).at(-1)).toEqual({
    type: "done",
    reason: "stop_sequence",
    stopSequence: "END",
  });
});

function encodeAll(events: readonly ChatEvent[], meta = META): string[] {
  const encoding = encoder(meta);
  const text = events.map((event) => encoding.encode(event)).join("");
  return text
    .split("\n\n")
    .filter((frame) => frame !== "")
    .map((frame) => frame.slice("data: ".length));
}

test("a stream begins with the role, ends with the reason in its own chunk and [DONE], under one id", () => {
  const frames = encodeAll([
    { type: "text", text: "hi" },
    { type: "usage", usage: { promptTokens: 1, completionTokens: 2, cachedTokens: 0 } },
    { type: "done", reason: "stop" },
  ]);
  expect(frames.pop()).toBe("[DONE]");
  const chunks = frames.map((frame) => JSON.parse(frame));
  for (const one of chunks) {
    expect(one).toMatchObject({
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model: "asked",
    });
    expect(one.choices).toHaveLength(1);
  }
  expect(chunks.map((one) => [one.choices[0].delta, one.choices[0].finish_reason])).toEqual([
    [{ role: "assistant", content: "" }, null],
    [{ content: "hi" }, null],
    [{}, "stop"],
  ]);
});

test("the usage chunk has no choices and comes only when it was asked for", () => {
  const events: ChatEvent[] = [
    { type: "usage", usage: { promptTokens: 9, completionTokens: 2, cachedTokens: 4, reasoningTokens: 1 } },
    { type: "done", reason: "stop" },
  ];
  expect(encodeAll(events).join("")).not.toContain('"usage"');
  const frames = encodeAll(events, { ...META, includeUsage: true });
  expect(JSON.parse(frames.at(-2) ?? "")).toMatchObject({
    choices: [],
    usage: {
      prompt_tokens: 9,
      completion_tokens: 2,
      total_tokens: 11,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 1 },
    },
  });
});

test("a call without arguments is closed with an empty object", () => {
  const frames = encodeAll([
    { type: "tool_call", index: 0, id: "a", name: "f" },
    { type: "done", reason: "stop" },
  ]);
  const text = frames
    .slice(0, -1)
    .map((frame) => JSON.parse(frame).choices[0].delta.tool_calls?.[0].function.arguments ?? "");
  expect(text.join("")).toBe("{}");
  expect(frames.at(-2)).toContain('"finish_reason":"tool_calls"');
});

test("a failure in mid-stream is an error frame and no [DONE]", () => {
  const frames = encodeAll([
    { type: "text", text: "a" },
    { type: "failed", failure: { kind: "engine_failed", engine: "vllm", cause: "killed" } },
  ]);
  expect(JSON.parse(frames.at(-1) ?? "")).toMatchObject({ error: { type: "server_error", code: "engine_failed" } });
  expect(frames).not.toContain("[DONE]");
});
