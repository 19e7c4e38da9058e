import { describe, expect, test } from "bun:test";
import { collectAnswer } from "../../core/chat-answer.ts";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { ToolChoice } from "../../core/chat-request.ts";
import type { ToolSyntax } from "../../core/replica.ts";
import { callRecovery } from "./leaked-calls.ts";
import { unambiguousSyntaxOf } from "./tool-syntax.ts";

const TOOLS = [
  { name: "get_time", parameters: { type: "object", properties: { zone: { type: "string" } } } },
  { name: "add", parameters: { type: "object", properties: { a: { type: "integer" } } } },
];
const DONE: ChatEvent[] = [
  { type: "usage", usage: { promptTokens: 1, completionTokens: 2, cachedTokens: 0 } },
  { type: "done", reason: "stop" },
];

function recover(pieces: readonly string[], syntax: ToolSyntax = "hermes", toolChoice: ToolChoice = { kind: "auto" }) {
  let ids = 0;
  const recovery = callRecovery({ tools: TOOLS, toolChoice }, syntax, () => `call_${ids++}`);
  const events: ChatEvent[] = [...pieces.map((text): ChatEvent => ({ type: "text", text })), ...DONE];
  const answer = collectAnswer(recovery?.push(events) ?? events);
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
  const { text, toolCalls, reason } = answer.value;
  return { text, calls: toolCalls.map((call) => [call.id, call.name, JSON.parse(call.arguments) as unknown]), reason };
}

/** Whole, and cut at every place: the same comes out. */
function everyWay(text: string, syntax?: ToolSyntax) {
  const whole = recover([text], syntax);
  for (let at = 1; at < text.length; at++) expect(recover([text.slice(0, at), text.slice(at)], syntax)).toEqual(whole);
  return whole;
}

const HERMES = '<tool_call>\n{"name": "get_time", "arguments": {"zone": "UTC"}}\n</tool_call>';

describe("a call that leaked as text is found in the form of", () => {
  test.each<[ToolSyntax, string]>([
    ["hermes", HERMES],
    ["xml", "<tool_call>\n<function=get_time>\n<parameter=zone>\nUTC\n</parameter>\n</function>\n</tool_call>"],
    // What Qwen's coders often forget is the tag around it.
    ["xml", "<function=get_time>\n<parameter=zone>\nUTC\n</parameter>\n</function>\n</tool_call>"],
    ["function", '<function=get_time>{"zone": "UTC"}</function>'],
    ["mistral", '[TOOL_CALLS][{"name": "get_time", "arguments": {"zone": "UTC"}}]'],
  ])("%s", (syntax, text) => {
    const calls = [["call_0", "get_time", { zone: "UTC" }]];
    expect(everyWay(`Let me see.\n${text}`, syntax)).toEqual({ text: "Let me see.", calls, reason: "tool_calls" });
  });
});

test("several calls, and text behind them, keep their order", () => {
  const add = HERMES.replace("get_time", "add").replace('{"zone": "UTC"}', '{"a": 1}');
  const { text, calls } = everyWay(`${HERMES}\n${add} That is all.`);
  expect(calls).toEqual([
    ["call_0", "get_time", { zone: "UTC" }],
    ["call_1", "add", { a: 1 }],
  ]);
  expect(text.trim()).toBe("That is all.");
});

test("what is no call stays text, letter by letter", () => {
  for (const text of [
    HERMES.replace("get_time", "unknown"),
    HERMES.slice(0, 50),
    '<tool_call>\n{"name": "get_time", "arguments": [1]}\n</tool_call>',
    "Write <tool_call> to call, and </tool_call> behind it.",
    "a < b <tool",
  ]) {
    expect(everyWay(text)).toEqual({ text, calls: [], reason: "stop" });
  }
});

test("nothing is looked for where no tool may be called", () => {
  expect(recover([HERMES], "hermes", { kind: "none" })).toEqual({ text: HERMES, calls: [], reason: "stop" });
});

test("the engine's own calls are numbered behind recovered ones", () => {
  const recovery = callRecovery({ tools: TOOLS }, "hermes", () => "call_r");
  const events = recovery?.push([
    { type: "text", text: HERMES },
    { type: "tool_call", index: 0, id: "call_e", name: "add" },
    { type: "tool_arguments", index: 0, json: '{"a":1}' },
    ...DONE,
  ]);
  const answer = collectAnswer(events ?? []);
  expect(answer.ok ? answer.value.toolCalls.map(({ id, name }) => [id, name]) : answer).toEqual([
    ["call_r", "get_time"],
    ["call_e", "add"],
  ]);
});

test("only templates whose marks can be nothing else are trusted", () => {
  expect(unambiguousSyntaxOf("… <tool_call> …")).toBe("hermes");
  expect(unambiguousSyntaxOf('{"name": x, "parameters": y} <|python_tag|>')).toBeUndefined();
  expect(unambiguousSyntaxOf("<|im_start|>")).toBeUndefined();
  expect(unambiguousSyntaxOf(undefined)).toBeUndefined();
});
