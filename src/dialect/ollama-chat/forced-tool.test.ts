import { expect, test } from "bun:test";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { ChatRequest } from "../../core/chat-request.ts";
import { forcedTool, forcedToolDecoder } from "./forced-tool.ts";
import { toRequestBody, untranslatable } from "./request.ts";
import { decoder } from "./stream.ts";

const WEATHER = { name: "weather", description: "Looks up.", parameters: { type: "object", properties: {} } };
const REQUEST: ChatRequest = {
  model: "m",
  messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
  stream: true,
  includeUsage: true,
  stop: [],
  sampling: {},
  tools: [WEATHER, { name: "time", parameters: {} }],
  output: { kind: "text" },
};

test("a call of one tool is forced by its schema", () => {
  const forced = forcedTool({ ...REQUEST, toolChoice: { kind: "tool", name: "weather" } });
  if (!forced) throw new Error("not forced");
  expect(forced.name).toBe("weather");
  expect(untranslatable(forced.request)).toBeNull();
  const body = toRequestBody(forced.request);
  expect(body).toMatchObject({ format: WEATHER.parameters });
  expect(body).not.toHaveProperty("tools");
  const hint = "Answer with the arguments of the function weather, as JSON. Looks up.";
  expect<unknown>(body.messages).toEqual([{ role: "user", content: `hi\n${hint}` }]);
  const messages = [{ role: "assistant", parts: [] }] as const;
  const after = forcedTool({ ...REQUEST, messages, toolChoice: { kind: "tool", name: "weather" } });
  expect(after?.request.messages.at(-1)).toEqual({ role: "user", parts: [{ type: "text", text: hint }] });
  expect(forcedTool({ ...REQUEST, tools: [WEATHER], toolChoice: { kind: "required" } })?.name).toBe("weather");
});

test.each<[ChatRequest["toolChoice"]]>([
  [undefined],
  [{ kind: "auto" }],
  [{ kind: "none" }],
  [{ kind: "required" }],
  [{ kind: "tool", name: "unknown" }],
])("%j with two tools forces nothing", (toolChoice) => {
  expect(forcedTool({ ...REQUEST, ...(toolChoice ? { toolChoice } : {}) })).toBeNull();
});

function line(content: string, more: object = {}): string {
  return `${JSON.stringify({ model: "m", message: { role: "assistant", content }, done: false, ...more })}\n`;
}

function decode(...lines: string[]): ChatEvent[] {
  const decoding = forcedToolDecoder(decoder(), "weather", "call_1");
  return [...decoding.push(Buffer.from(lines.join(""))), ...decoding.end()].slice(1);
}

test("the text of a forced answer is the call's arguments", () => {
  expect(decode(line('{"a":'), line("1}"), line("", { done: true, done_reason: "stop", eval_count: 3 }))).toEqual([
    { type: "tool_call", index: 0, id: "call_1", name: "weather" },
    { type: "tool_arguments", index: 0, json: '{"a":' },
    { type: "tool_arguments", index: 0, json: "1}" },
    { type: "usage", usage: { promptTokens: 0, completionTokens: 3, cachedTokens: 0 } },
    { type: "done", reason: "tool_calls" },
  ]);
});

test("a forced answer that is cut stays cut, and a killed one a failure", () => {
  expect(decode(line("{"), line("", { done: true, done_reason: "length" })).at(-1)).toEqual({
    type: "done",
    reason: "length",
  });
  expect(decode(line("{")).at(-1)).toMatchObject({ type: "failed" });
});
