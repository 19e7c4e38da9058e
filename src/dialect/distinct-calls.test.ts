import { expect, test } from "bun:test";
import type { ChatEvent } from "../core/chat-event.ts";
import type { ChatRequest } from "../core/chat-request.ts";
import { distinctCalls } from "./distinct-calls.ts";

function asked(...ids: string[]): ChatRequest {
  const calls = ids.map((id) => ({ type: "tool_call", id, name: "f", arguments: "{}" }) as const);
  return {
    model: "m",
    messages: [
      { role: "user", parts: [{ type: "text", text: "hi" }] },
      { role: "assistant", parts: calls },
    ],
    stream: true,
    includeUsage: true,
    stop: [],
    sampling: {},
    tools: [],
    output: { kind: "text" },
  };
}

const call = (id: string): ChatEvent => ({ type: "tool_call", index: 0, id, name: "f" });
const more: ChatEvent = { type: "tool_arguments", index: 0, json: "{}" };

test.each([
  ["0", "0"],
  ["functions.read:0", "functions_read_0"],
])("a call whose id the conversation has gets another: %s", (given, earlier) => {
  const convert = distinctCalls(asked("a", earlier), () => "call_new");
  expect(convert?.([call(given), more])).toEqual([call("call_new"), more]);
});

test("other ids stay, and without earlier calls nothing is looked at", () => {
  expect(distinctCalls(asked("a"), () => "call_new")?.([call("b"), more])).toEqual([call("b"), more]);
  expect(distinctCalls(asked(), () => "call_new")).toBeNull();
});
