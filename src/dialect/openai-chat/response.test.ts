import { expect, test } from "bun:test";
import type { ChatAnswer } from "../../core/chat-answer.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { fromResponseBody, toResponseBody } from "./response.ts";

const META: AnswerMeta = {
  id: "chatcmpl-1",
  model: "m",
  createdAt: 1999,
  includeUsage: false,
  promptTokensEstimate: 1,
};
const ANSWER: ChatAnswer = {
  text: "",
  thinking: "",
  refusal: "",
  toolCalls: [],
  logprobs: [],
  usage: { promptTokens: 9, completionTokens: 2, cachedTokens: 4 },
  reason: "stop",
};

test.each<[Partial<ChatAnswer>, object, string]>([
  [{ text: "a" }, { content: "a", refusal: null }, "stop"],
  [{}, { content: "" }, "stop"],
  [{ text: "a", thinking: "t" }, { content: "a", reasoning_content: "t" }, "stop"],
  [{ refusal: "no", reason: "refusal" }, { content: null, refusal: "no" }, "stop"],
  [{ reason: "refusal" }, { content: "" }, "content_filter"],
  [{ text: "a", reason: "stop_sequence" }, { content: "a" }, "stop"],
  [
    { toolCalls: [{ type: "tool_call", id: "t", name: "f", arguments: "" }] },
    { content: null, tool_calls: [{ id: "t", type: "function", function: { name: "f", arguments: "{}" } }] },
    "tool_calls",
  ],
])("an answer of %j has its message and reason", (answer, message, reason) => {
  expect(toResponseBody({ ...ANSWER, ...answer }, META)).toMatchObject({
    object: "chat.completion",
    created: 1,
    choices: [{ index: 0, message: { role: "assistant", ...message }, logprobs: null, finish_reason: reason }],
    usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11, prompt_tokens_details: { cached_tokens: 4 } },
  });
});

test.each([
  ["<html>", "not JSON"],
  ['{"error":{"message":"boom"}}', "boom"],
  ['{"choices":[]}', "no choices"],
  ['{"choices":5}', "unknown shape"],
])("%j is a failure", (body, cause) => {
  expect<unknown>(fromResponseBody(body).at(-1)).toEqual({
    type: "failed",
    failure: { kind: "engine_failed", engine: "engine", cause: expect.stringContaining(cause) },
  });
});
