import { expect, test } from "bun:test";
import type { ChatAnswer } from "../../core/chat-answer.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { fromResponseBody, toResponseBody } from "./response.ts";

const META: AnswerMeta = { id: "msg_1", model: "m", createdAt: 0, includeUsage: false, promptTokensEstimate: 1 };
const ANSWER: ChatAnswer = {
  text: "a",
  thinking: "hm",
  refusal: "",
  toolCalls: [{ type: "tool_call", id: "t", name: "f", arguments: '{"x":' }],
  logprobs: [],
  usage: { promptTokens: 9, completionTokens: 2, cachedTokens: 4 },
  reason: "stop",
};

test("arguments that are no JSON object are kept as text, not lost", () => {
  expect(toResponseBody(ANSWER, META)).toMatchObject({
    content: [{ type: "thinking" }, { type: "text" }, { type: "tool_use", input: { unparsed_arguments: '{"x":' } }],
    stop_reason: "tool_use",
    usage: { input_tokens: 5, cache_read_input_tokens: 4, output_tokens: 2 },
  });
});

test("a text says nothing of citations, for clients that refuse null there", () => {
  const { content } = toResponseBody({ ...ANSWER, thinking: "", toolCalls: [] }, META);
  expect(content).toEqual([{ type: "text", text: "a" }]);
});

test("omitted thinking is an empty signed block", () => {
  const body = toResponseBody(ANSWER, { ...META, omitThinking: true });
  expect(body.content).toMatchObject([{ type: "thinking", thinking: "" }, {}, {}]);
});

test.each([
  ["<html>", "not JSON"],
  ['{"type":"error","error":{"type":"api_error","message":"boom"}}', "boom"],
  ['{"content":5}', "unknown shape"],
])("%j is a failure", (body, cause) => {
  const events = fromResponseBody(body);
  expect<unknown>(events).toEqual([
    { type: "failed", failure: { kind: "engine_failed", engine: "engine", cause: expect.stringContaining(cause) } },
  ]);
});
