import { expect, test } from "bun:test";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { eventFrame } from "../../wire/sse-write.ts";
import { LOCAL_SIGNATURE } from "./signature.ts";
import { decoder, encoder } from "./stream.ts";

const META: AnswerMeta = {
  id: "msg_1",
  model: "claude-opus",
  createdAt: 0,
  includeUsage: true,
  promptTokensEstimate: 42,
};
const DONE: ChatEvent = { type: "done", reason: "stop" };

type Frame = { type: string; index?: number; [key: string]: unknown };

function encodeAll(events: readonly ChatEvent[], meta = META): Frame[] {
  const encoding = encoder(meta);
  const text = events.map((event) => encoding.encode(event)).join("");
  return text
    .split("\n\n")
    .filter((one) => one !== "")
    .map((one) => {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(one) ?? [];
      const frame = JSON.parse(data ?? "") as Frame;
      expect(frame.type).toBe(event ?? "");
      return frame;
    });
}

/** The order that SDKs insist on: start, blocks one at a time and numbered from 0, then the delta and the stop. */
function checkOrder(frames: readonly Frame[]): void {
  const order = frames.filter((frame) => frame.type !== "ping").map((frame) => frame.type);
  expect(order[0]).toBe("message_start");
  expect(order.slice(-2)).toEqual(["message_delta", "message_stop"]);
  let open = -1;
  let next = 0;
  for (const frame of frames.slice(1, -2)) {
    if (frame.type === "content_block_start") {
      expect([open, frame.index]).toEqual([-1, next]);
      open = next;
      next += 1;
    } else if (frame.type === "content_block_delta") {
      expect(frame.index).toBe(open);
    } else if (frame.type === "content_block_stop") {
      expect(frame.index).toBe(open);
      open = -1;
    }
  }
  expect(open).toBe(-1);
}

/** Each block as `kind:content`. */
function blocks(frames: readonly Frame[]): string[] {
  const made: string[] = [];
  for (const frame of frames) {
    if (frame.type === "content_block_start") {
      const block = frame.content_block as { type: string; name?: string };
      made.push(`${block.type}:${block.name ?? ""}`);
    }
    if (frame.type === "content_block_delta") {
      const delta = frame.delta as { text?: string; thinking?: string; partial_json?: string };
      made[made.length - 1] += delta.text ?? delta.thinking ?? delta.partial_json ?? "";
    }
  }
  return made;
}

const call = (index: number): ChatEvent => ({ type: "tool_call", index, id: `t${index}`, name: `f${index}` });
const args = (index: number, json: string): ChatEvent => ({ type: "tool_arguments", index, json });
const text = (one: string): ChatEvent => ({ type: "text", text: one });
const thinking = (one: string): ChatEvent => ({ type: "thinking", text: one });

test.each<[string, ChatEvent[], string[]]>([
  ["text", [text("a"), text("b")], ["text:ab"]],
  ["thinking, then text", [thinking("a"), thinking("b"), text("c")], ["thinking:ab", "text:c"]],
  [
    "text, a call, text",
    [text("a"), call(0), args(0, "{"), args(0, "}"), text("b")],
    ["text:a", "tool_use:f0{}", "text:b"],
  ],
  [
    "calls in turn",
    [call(0), args(0, '{"a"'), args(0, ":1}"), call(1), args(1, "{}")],
    ['tool_use:f0{"a":1}', "tool_use:f1{}"],
  ],
  [
    "calls that interleave",
    [call(0), call(1), args(1, "{"), args(0, "{"), args(1, "}"), args(0, "}")],
    ["tool_use:f0{}", "tool_use:f1{}"],
  ],
  [
    "three that interleave",
    [call(0), args(0, "{"), call(1), args(1, "{"), call(2), args(2, "{}"), args(0, "}"), args(1, "}")],
    ["tool_use:f0{}", "tool_use:f1{}", "tool_use:f2{}"],
  ],
  ["a call without arguments, then another", [call(0), call(1), args(1, "{}")], ["tool_use:f0", "tool_use:f1{}"]],
  ["a call that was cut off", [call(0), args(0, '{"a'), text("b")], ['tool_use:f0{"a', "text:b"]],
  ["a refusal", [{ type: "refusal", text: "no" }], ["text:no"]],
  ["nothing", [], []],
])("%s: one block open at a time, each closed, nothing lost", (_name, events, expected) => {
  const frames = encodeAll([...events, DONE]);
  checkOrder(frames);
  expect(blocks(frames)).toEqual(expected);
});

test("usage stands in the first and the last frame, with every nullable member", () => {
  const frames = encodeAll([
    text("a"),
    { type: "usage", usage: { promptTokens: 50, completionTokens: 7, cachedTokens: 30 } },
    DONE,
  ]);
  const nulls = { cache_creation: null, server_tool_use: null, service_tier: null, output_tokens_details: null };
  expect(frames[0]).toMatchObject({
    message: {
      id: "msg_1",
      model: "claude-opus",
      usage: {
        input_tokens: 42,
        output_tokens: 0,
        cache_read_input_tokens: 0,
        cache_creation_input_tokens: 0,
        ...nulls,
      },
    },
  });
  expect(frames.at(-2)).toMatchObject({
    delta: { stop_reason: "end_turn", stop_sequence: null },
    usage: {
      input_tokens: 20,
      output_tokens: 7,
      cache_read_input_tokens: 30,
      cache_creation_input_tokens: 0,
      ...nulls,
    },
  });
});

test("usage that the engine never told is estimated, not left out", () => {
  expect(encodeAll([text("a"), text("b"), DONE]).at(-2)).toMatchObject({
    usage: { input_tokens: 42, output_tokens: 2 },
  });
});

test.each<[ChatEvent, string, string | null]>([
  [{ type: "done", reason: "length" }, "max_tokens", null],
  [{ type: "done", reason: "content_filter" }, "refusal", null],
  [{ type: "done", reason: "stop_sequence", stopSequence: "END" }, "stop_sequence", "END"],
  [DONE, "end_turn", null],
])("%j is the stop reason %s", (done, reason, sequence) => {
  expect(encodeAll([done]).at(-2)).toMatchObject({ delta: { stop_reason: reason, stop_sequence: sequence } });
});

test("a tool call makes the stop reason tool_use though the engine says stop", () => {
  expect(encodeAll([call(0), args(0, "{}"), DONE]).at(-2)).toMatchObject({ delta: { stop_reason: "tool_use" } });
});

test("thinking is signed before its block closes: by the engine's signature, else by the stand-in", () => {
  const signatures = (events: ChatEvent[]) =>
    encodeAll([...events, DONE]).flatMap((frame) => {
      const delta = frame.delta as { type?: string; signature?: string } | undefined;
      return delta?.type === "signature_delta" ? [delta.signature] : [];
    });
  expect(signatures([thinking("a"), text("b")])).toEqual([LOCAL_SIGNATURE]);
  expect(signatures([thinking("a"), { type: "thinking_signature", signature: "real" }, text("b")])).toEqual(["real"]);
  expect(signatures([thinking("a"), { type: "thinking_signature", signature: "real" }, thinking("b")])).toEqual([
    "real",
    LOCAL_SIGNATURE,
  ]);
});

test("omitted thinking is an empty signed block, with pings after message_start while it lasts", () => {
  const frames = encodeAll([thinking("secret"), thinking("more"), text("a"), DONE], { ...META, omitThinking: true });
  checkOrder(frames);
  expect(JSON.stringify(frames)).not.toContain("secret");
  expect(blocks(frames)).toEqual(["thinking:", "text:a"]);
  expect(frames.filter((frame) => frame.type === "ping")).toHaveLength(2);
});

test("an id that Anthropic's clients refuse is made fit", () => {
  const [, start] = encodeAll([{ type: "tool_call", index: 0, id: "call:1/x", name: "f" }, DONE]);
  expect(start).toMatchObject({ content_block: { id: "call_1_x" } });
});

test("a failure is an error event, alone when nothing was said yet, and the last frame always", () => {
  const failed: ChatEvent = { type: "failed", failure: { kind: "queue_full", model: "m", retryAfterMs: 1000 } };
  expect(encodeAll([failed])).toMatchObject([{ type: "error", error: { type: "overloaded_error" } }]);
  const frames = encodeAll([text("a"), failed, DONE]);
  expect(frames.at(-1)).toMatchObject({ type: "error" });
  expect(frames.filter((frame) => frame.type === "message_stop")).toEqual([]);
});

function decode(stream: string): ChatEvent[] {
  const decoding = decoder();
  return [...decoding.push(Buffer.from(stream)), ...decoding.end()];
}

const frame = (json: Frame) => eventFrame(json.type, JSON.stringify(json));
const START = frame({
  type: "message_start",
  message: { id: "m", model: "x", usage: { input_tokens: 5, cache_read_input_tokens: 3, output_tokens: 1 } },
});
const TEXT = frame({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "a" } });
const ENDED = frame({ type: "message_delta", delta: { stop_reason: "max_tokens" }, usage: { output_tokens: 9 } });

test.each<[string, string, string]>([
  ["killed before the first frame", "", "ended early"],
  ["killed in mid-stream", START + TEXT, "ended early"],
  ["half a frame", START + TEXT + ENDED.slice(0, 60), "ended early"],
  ["not JSON", `${START}data: {"type":\n\n`, "not JSON"],
  [
    "a wrong type inside",
    START + frame({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: 5 } }),
    "unknown shape",
  ],
  [
    "an error event",
    START + TEXT + frame({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }),
    "Overloaded",
  ],
])("%s is one failure, the last event", (_name, stream, cause) => {
  const events = decode(stream);
  expect(events.filter((event) => event.type === "failed" || event.type === "done")).toEqual([
    { type: "failed", failure: { kind: "engine_failed", engine: "engine", cause: expect.stringContaining(cause) } },
  ]);
  expect(events.at(-1)?.type).toBe("failed");
});

test("a stop reason without message_stop is an end, pings and unknown events are skipped, and usage adds up", () => {
  const events = decode(START + frame({ type: "ping" }) + frame({ type: "brand_new" }) + TEXT + ENDED);
  expect(events).toEqual([
    { type: "start", id: "m", model: "x" },
    { type: "text", text: "a" },
    { type: "usage", usage: { promptTokens: 8, completionTokens: 9, cachedTokens: 3 } },
    { type: "done", reason: "length" },
  ]);
});
