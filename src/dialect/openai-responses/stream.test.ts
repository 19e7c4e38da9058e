import { expect, test } from "bun:test";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { echoOf } from "./request-fields.ts";
import { fromResponseBody } from "./response.ts";
import { decoder, encoder } from "./stream.ts";

const META: AnswerMeta = {
  id: "resp_1",
  model: "asked",
  createdAt: 1_700_000_000_999,
  includeUsage: true,
  promptTokensEstimate: 3,
};

interface Frame extends JsonObject {
  type: string;
  sequence_number: number;
}

function encodeAll(events: readonly ChatEvent[], meta = META): Frame[] {
  const encoding = encoder(meta);
  const text = events.map((event) => encoding.encode(event)).join("");
  return text
    .split("\n\n")
    .filter((frame) => frame !== "")
    .map((frame) => {
      const [name, data] = frame.split("\n");
      const json = JSON.parse(data?.slice("data: ".length) ?? "") as Frame;
      expect(name).toBe(`event: ${json.type}`);
      return json;
    });
}

function short(frames: readonly Frame[]): string[] {
  return frames.map((frame) => {
    const index = typeof frame.output_index === "number" ? ` ${frame.output_index}` : "";
    return frame.type.replace("response.", "") + index;
  });
}

const call = (index: number, name: string): ChatEvent => ({ type: "tool_call", index, id: `call_${index}`, name });
const piece = (index: number, json: string): ChatEvent => ({ type: "tool_arguments", index, json });
const DONE: ChatEvent = { type: "done", reason: "stop" };

test("a text is the full sequence of events, numbered from 0, each naming its item", () => {
  const frames = encodeAll([{ type: "start" }, { type: "text", text: "a" }, { type: "text", text: "b" }, DONE]);
  expect(short(frames)).toEqual([
    "created",
    "in_progress",
    "output_item.added 0",
    "content_part.added 0",
    "output_text.delta 0",
    "output_text.delta 0",
    "output_text.done 0",
    "content_part.done 0",
    "output_item.done 0",
    "completed",
  ]);
  expect(frames.map((frame) => frame.sequence_number)).toEqual(frames.map((_, at) => at));
  const ids = frames.flatMap((frame) => (typeof frame.item_id === "string" ? [frame.item_id] : []));
  expect(new Set(ids)).toEqual(new Set(["msg_100"]));
  expect(frames[0]).toMatchObject({ response: { id: "resp_1", status: "in_progress", output: [], usage: null } });
  expect(frames.at(-1)).toMatchObject({
    response: {
      status: "completed",
      output: [{ id: "msg_100", status: "completed", content: [{ text: "ab", annotations: [], logprobs: [] }] }],
      // The engine told no usage: estimates, since clients fail without.
      usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
    },
  });
});

test("what Codex needs at the least is there: each item whole, then the response", () => {
  const frames = encodeAll([{ type: "text", text: "a" }, call(0, "f"), piece(0, "{}"), DONE]);
  const done = frames.filter((frame) => frame.type === "response.output_item.done").map((frame) => frame.item);
  expect(done).toMatchObject([
    { type: "message", role: "assistant", content: [{ type: "output_text", text: "a" }] },
    { type: "function_call", call_id: "call_0", name: "f", arguments: "{}", status: "completed" },
  ]);
  expect(frames.at(-1)).toMatchObject({ type: "response.completed", response: { id: "resp_1", output: done } });
});

test("a namespace's tool goes back by both of its names, also when the model left the namespace away", () => {
  const tools = [{ type: "namespace", name: "ns", tools: [{ type: "function", name: "close" }] }];
  const meta = { ...META, echo: echoOf({ tools }) };
  for (const name of ["ns__close", "close"]) {
    const frames = encodeAll([call(0, name), piece(0, "{}"), DONE], meta);
    const items = frames.flatMap((frame) => (frame.item ? [frame.item] : []));
    expect(items).toHaveLength(2);
    for (const item of items) expect(item).toMatchObject({ type: "function_call", name: "close", namespace: "ns" });
  }
  const [plain] = encodeAll([call(0, "other"), DONE], meta).flatMap((frame) => (frame.item ? [frame.item] : []));
  expect(plain).not.toHaveProperty("namespace");
});

test("a custom tool's text is streamed as text, and as custom_tool_call", () => {
  const meta = { ...META, echo: echoOf({ tools: [{ type: "custom", name: "patch" }] }) };
  const frames = encodeAll([call(0, "patch"), piece(0, '{"input": "a\\'), piece(0, 'nb"'), piece(0, "}"), DONE], meta);
  expect(short(frames).slice(2)).toEqual([
    "output_item.added 0",
    "custom_tool_call_input.delta 0",
    "custom_tool_call_input.delta 0",
    "custom_tool_call_input.done 0",
    "output_item.done 0",
    "completed",
  ]);
  expect(frames.filter((frame) => frame.type.endsWith("input.delta")).map((frame) => frame.delta)).toEqual([
    "a",
    "\nb",
  ]);
  expect(frames.at(-2)?.item).toEqual({
    id: "ctc_100",
    type: "custom_tool_call",
    status: "completed",
    call_id: "call_0",
    name: "patch",
    input: "a\nb",
  });
});

test("thinking is a summary where one was asked for, else text, and closed before the answer", () => {
  const events: ChatEvent[] = [{ type: "thinking", text: "hm" }, { type: "text", text: "a" }, DONE];
  expect(short(encodeAll(events)).slice(2, 9)).toEqual([
    "output_item.added 0",
    "content_part.added 0",
    "reasoning_text.delta 0",
    "reasoning_text.done 0",
    "content_part.done 0",
    "output_item.done 0",
    "output_item.added 1",
  ]);
  const asked = { ...META, echo: echoOf({ reasoning: { summary: "auto" } }) };
  expect(short(encodeAll(events, asked)).slice(2, 9)).toEqual([
    "output_item.added 0",
    "reasoning_summary_part.added 0",
    "reasoning_summary_text.delta 0",
    "reasoning_summary_text.done 0",
    "reasoning_summary_part.done 0",
    "output_item.done 0",
    "output_item.added 1",
  ]);
});

test("a signature travels with its thinking as encrypted content", () => {
  const frames = encodeAll([
    { type: "thinking", text: "hm" },
    { type: "thinking_signature", signature: "s" },
    { type: "thinking", text: "more" },
    DONE,
  ]);
  const items = frames.filter((frame) => frame.type === "response.output_item.done").map((frame) => frame.item);
  expect(items).toMatchObject([{ encrypted_content: "s" }, { content: [{ text: "more" }] }]);
  expect(items[1]).not.toHaveProperty("encrypted_content");
});

test("parallel calls have an output index each; one that is whole is closed when the next begins", () => {
  const frames = encodeAll([
    call(0, "f"),
    piece(0, "{}"),
    call(1, "g"),
    piece(1, '{"a"'),
    call(2, "h"),
    piece(2, "{}"),
    piece(1, ":1}"),
    DONE,
  ]);
  expect(short(frames).slice(2)).toEqual([
    "output_item.added 0",
    "function_call_arguments.delta 0",
    "function_call_arguments.done 0",
    "output_item.done 0",
    "output_item.added 1",
    "function_call_arguments.delta 1",
    "output_item.added 2",
    "function_call_arguments.delta 2",
    "function_call_arguments.delta 1",
    "function_call_arguments.done 1",
    "output_item.done 1",
    "function_call_arguments.done 2",
    "output_item.done 2",
    "completed",
  ]);
  expect(frames.at(-1)).toMatchObject({
    response: { output: [{ name: "f" }, { name: "g", arguments: '{"a":1}' }, { name: "h" }] },
  });
});

test("a call without arguments is closed with an empty object, a call that was cut off with what there is", () => {
  const bare = encodeAll([call(0, "f"), DONE]);
  expect(bare.at(-1)).toMatchObject({ response: { output: [{ arguments: "{}", status: "completed" }] } });
  const cut = encodeAll([call(0, "f"), piece(0, '{"a'), { type: "done", reason: "length" }]);
  expect(cut.at(-1)).toMatchObject({
    type: "response.incomplete",
    response: {
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      output: [{ arguments: '{"a', status: "incomplete" }],
    },
  });
});

test("text after a call is a message of its own, and a refusal is a part of its own", () => {
  const frames = encodeAll([
    { type: "text", text: "a" },
    { type: "refusal", text: "no" },
    call(0, "f"),
    piece(0, "{}"),
    { type: "text", text: "b" },
    DONE,
  ]);
  expect(frames.at(-1)).toMatchObject({
    response: {
      output: [
        { type: "message", content: [{ text: "a" }, { type: "refusal", refusal: "no" }] },
        { type: "function_call" },
        { type: "message", content: [{ text: "b" }] },
      ],
    },
  });
});

test("a failure is response.failed, after response.created, and leaves half an item unfinished", () => {
  const killed: ChatEvent = { type: "failed", failure: { kind: "engine_failed", engine: "vllm", cause: "killed" } };
  expect(short(encodeAll([killed]))).toEqual(["created", "in_progress", "failed"]);
  const frames = encodeAll([call(0, "f"), piece(0, '{"a'), killed]);
  expect(short(frames)).not.toContain("output_item.done 0");
  expect(frames.at(-1)).toMatchObject({
    response: { status: "failed", error: { code: "server_error", message: expect.stringContaining("killed") } },
  });
  const full = { kind: "context_exceeded", model: "m", promptTokens: 9, contextTokens: 8 } as const;
  expect(encodeAll([{ type: "failed", failure: full }]).at(-1)).toMatchObject({
    response: { error: { code: "context_length_exceeded" } },
  });
  expect(encodeAll([{ type: "failed", failure: { kind: "cancelled" } }])).toEqual([]);
});

test("the encoder tells what the client got, under the same ids", () => {
  const encoding = encoder(META);
  for (const event of [{ type: "text", text: "a" } as const, call(0, "f"), piece(0, "{}"), DONE])
    encoding.encode(event);
  expect(encoding.response).toMatchObject({
    id: META.id,
    status: "completed",
    output: [{ id: "msg_100" }, { id: "fc_101" }],
  });
});

function decode(...frames: (JsonObject | string)[]): ChatEvent[] {
  const text = frames.map((one) => `data: ${typeof one === "string" ? one : JSON.stringify(one)}\n\n`).join("");
  const decoding = decoder();
  return [...decoding.push(Buffer.from(text)), ...decoding.end()];
}

const ended = (more: JsonObject = {}): JsonObject => ({
  type: "response.completed",
  response: { id: "r", model: "m", status: "completed", ...more },
});
const message = { type: "message", id: "msg_1", role: "assistant", content: [{ type: "output_text", text: "hi" }] };
const called = { type: "function_call", id: "fc_1", call_id: "call_1", name: "f", arguments: '{"a":1}' };

test.each<[string, (JsonObject | string)[], string]>([
  ["killed before the first frame", [], "ended early"],
  ["killed in mid-stream", [{ type: "response.output_text.delta", delta: "a" }], "ended early"],
  ["[DONE] instead of the end", [{ type: "response.output_text.delta", delta: "a" }, "[DONE]"], "ended early"],
  ["not JSON", ["{"], "not JSON"],
  ["a wrong type inside", [{ type: "response.output_text.delta", delta: 5 }], "unknown shape"],
  ["an error event", [{ type: "error", code: null, message: "boom", param: null }], "boom"],
  ["an error object", [{ error: { message: "boom" } }], "boom"],
  ["a failed response", [{ type: "response.failed", response: { error: { message: "boom" } } }], "boom"],
  [
    "a call without a name",
    [{ type: "response.output_item.added", item: { type: "function_call" } }],
    "without a name",
  ],
])("%s is one failure, the last event", (_name, frames, cause) => {
  const events = decode(...frames);
  expect(events.filter((event) => event.type === "failed" || event.type === "done")).toEqual([
    { type: "failed", failure: { kind: "engine_failed", engine: "engine", cause: expect.stringContaining(cause) } },
  ]);
  expect(events.at(-1)?.type).toBe("failed");
});

test.each<[string, JsonObject[]]>([
  [
    "with whole items only",
    [
      { type: "response.output_item.done", output_index: 0, item: message },
      { type: "response.output_item.done", output_index: 1, item: called },
      ended(),
    ],
  ],
  ["with the last event only", [ended({ output: [message, called] })]],
  [
    "in pieces that whole items repeat, under ids that change",
    [
      { type: "response.created", response: { id: "r", model: "m" } },
      { type: "response.output_item.added", output_index: 0, item: { type: "message", id: "x1" } },
      { type: "response.output_text.delta", output_index: 0, item_id: "x2", delta: "hi", logprobs: [] },
      { type: "response.output_item.done", output_index: 0, item: { ...message, id: "x3" } },
      { type: "response.output_item.added", output_index: 1, item: { ...called, arguments: "" } },
      { type: "response.function_call_arguments.delta", output_index: 1, item_id: "x4", delta: '{"a":1}' },
      { type: "response.function_call_arguments.done", output_index: 1, item_id: "x5", arguments: '{"a":1}' },
      { type: "response.output_item.done", output_index: 1, item: called },
      ended({ output: [message, called] }),
    ],
  ],
])("an answer %s is understood once", (_name, frames) => {
  const [start, ...rest] = decode(...frames);
  expect(start?.type).toBe("start");
  expect(rest).toEqual([
    { type: "text", text: "hi" },
    { type: "tool_call", index: 0, id: "call_1", name: "f" },
    { type: "tool_arguments", index: 0, json: '{"a":1}' },
    { type: "done", reason: "tool_calls" },
  ]);
});

test("thinking that is streamed under two names is read once, and the parts of a summary are paragraphs", () => {
  const at = { output_index: 0 };
  const events = decode(
    { type: "response.output_item.added", ...at, item: { type: "reasoning", id: "rs" } },
    { type: "response.reasoning_summary_part.added", ...at, summary_index: 0 },
    { type: "response.reasoning_summary_text.delta", ...at, delta: "a" },
    { type: "response.reasoning_text.delta", ...at, delta: "a" },
    { type: "response.reasoning_summary_part.added", ...at, summary_index: 1 },
    { type: "response.reasoning_summary_text.delta", ...at, delta: "b" },
    {
      type: "response.output_item.done",
      ...at,
      item: { type: "reasoning", summary: [{ text: "a" }, { text: "b" }], encrypted_content: "s" },
    },
    ended(),
  );
  expect(events.flatMap((event) => (event.type === "thinking" ? event.text : [])).join("")).toBe("a\n\nb");
  expect(events).toContainEqual({ type: "thinking_signature", signature: "s" });
});

test.each<[JsonObject, ChatEvent]>([
  [{ status: "completed" }, { type: "done", reason: "stop" }],
  [
    { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } },
    { type: "done", reason: "length" },
  ],
  [
    { status: "incomplete", incomplete_details: { reason: "content_filter" } },
    { type: "done", reason: "content_filter" },
  ],
  [
    { status: "completed", output: [{ type: "message", content: [{ type: "refusal", refusal: "no" }] }] },
    { type: "done", reason: "refusal" },
  ],
  [
    { status: "completed", output: [called] },
    { type: "done", reason: "tool_calls" },
  ],
])("a whole answer %j ends as it says", (body, last) => {
  expect(fromResponseBody(JSON.stringify(body)).at(-1)).toEqual(last);
});

test.each(["<html>", "[]", '{"output":5}', '{"error":{"message":"boom"}}', '{"status":"queued"}', "{}"])(
  "%j is a failure",
  (text) => {
    expect(fromResponseBody(text).at(-1)?.type).toBe("failed");
  },
);
