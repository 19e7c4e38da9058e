import { describe, expect, test } from "bun:test";
import type { ChatRequest, Message } from "../core/chat-request.ts";
import { shimForLocal } from "./agent-shim.ts";

const text = (role: Message["role"], ...texts: string[]): Message => ({
  role,
  parts: texts.map((value) => ({ type: "text", text: value })),
});
const request = (messages: readonly Message[], more: Partial<ChatRequest> = {}): ChatRequest => ({
  model: "m",
  messages,
  stream: false,
  includeUsage: false,
  stop: [],
  sampling: {},
  tools: [],
  output: { kind: "text" },
  ...more,
});

test("a plain conversation passes untouched", () => {
  const plain = request([text("system", "Be brief."), text("user", "hi")], { maxOutputTokens: 100 });
  expect(shimForLocal(plain, 4096)).toEqual({ request: plain, adjusted: [] });
});

test("the billing header goes, and with it a system message that holds nothing else", () => {
  const billed = request([text("system", "x-anthropic-billing-header: cc=1.440;", "Be brief."), text("user", "hi")]);
  expect(shimForLocal(billed, 4096)).toMatchObject({
    request: { messages: [text("system", "Be brief."), text("user", "hi")] },
    adjusted: ["billing header dropped"],
  });
  const only = request([text("system", "x-anthropic-billing-header: a"), text("user", "hi")]);
  expect(shimForLocal(only, 4096).request.messages).toEqual([text("user", "hi")]);
  const oneText = request([text("system", "x-anthropic-billing-header: cc=1.440;\nBe brief."), text("user", "hi")]);
  expect(shimForLocal(oneText, 4096).request.messages[0]).toEqual(text("system", "Be brief."));
});

describe("system messages in mid-conversation", () => {
  test("join the first one when nobody has answered yet", () => {
    const { request: shimmed, adjusted } = shimForLocal(
      request([text("system", "A"), text("user", "q"), text("system", "B")]),
      4096,
    );
    expect(shimmed.messages).toEqual([text("system", "A", "B"), text("user", "q")]);
    expect(adjusted).toEqual(["system messages folded"]);
  });

  test("become a reminder in the user's next message later on, and leave the beginning as it was", () => {
    const before = [text("system", "A"), text("user", "q"), text("assistant", "a")];
    const { messages } = shimForLocal(request([...before, text("system", "B"), text("user", "more")]), 4096).request;
    expect(messages.slice(0, 3)).toEqual(before);
    expect(messages.slice(3)).toEqual([text("user", "<system-reminder>\nB\n</system-reminder>", "more")]);
  });

  test("end the conversation as a user's message when none follows", () => {
    const { messages } = shimForLocal(
      request([text("user", "q"), text("assistant", "a"), text("system", "B")]),
      4096,
    ).request;
    expect(messages.at(-1)).toEqual(text("user", "<system-reminder>\nB\n</system-reminder>"));
  });

  test("keep the beginning the same from turn to turn", () => {
    const first = [text("system", "A"), text("user", "q"), text("system", "B")];
    const later = [...first, text("assistant", "a"), text("user", "more")];
    const [one, two] = [first, later].map((messages) => shimForLocal(request(messages), 4096).request.messages);
    expect(two?.slice(0, one?.length)).toEqual([...(one ?? [])]);
  });
});

test("whoever speaks twice in a row is heard once", () => {
  const { request: shimmed, adjusted } = shimForLocal(
    request([text("user", "a"), text("user", "b"), text("assistant", "c"), text("assistant", "d"), text("user", "e")]),
    4096,
  );
  expect(shimmed.messages).toEqual([text("user", "a", "b"), text("assistant", "c", "d"), text("user", "e")]);
  expect(adjusted).toEqual(["turns joined"]);
});

test("an output limit beyond the window is lifted: the window ends the answer", () => {
  const { request: shimmed, adjusted } = shimForLocal(request([text("user", "hi")], { maxOutputTokens: 32_000 }), 8192);
  expect(shimmed.maxOutputTokens).toBeUndefined();
  expect(adjusted).toEqual(["max_tokens fitted to the context"]);
});
