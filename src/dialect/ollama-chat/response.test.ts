import { expect, test } from "bun:test";
import type { ChatAnswer } from "../../core/chat-answer.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { fromResponseBody, toResponseBody, toWholeAnswer } from "./response.ts";

const META: AnswerMeta = { id: "x", model: "m", createdAt: 1000, includeUsage: false, promptTokensEstimate: 1 };
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
  [{ text: "a" }, { content: "a" }, "stop"],
  [{}, { content: "" }, "stop"],
  [{ text: "a", thinking: "t" }, { content: "a", thinking: "t" }, "stop"],
  [{ refusal: "no", reason: "refusal" }, { content: "no" }, "stop"],
  [{ text: "a", reason: "length" }, { content: "a" }, "length"],
  [
    { toolCalls: [{ type: "tool_call", id: "t", name: "f", arguments: "" }], reason: "tool_calls" },
    { content: "", tool_calls: [{ id: "t", function: { index: 0, name: "f", arguments: {} } }] },
    "stop",
  ],
])("an answer of %j has its message and reason", (answer, message, reason) => {
  expect<unknown>(toResponseBody({ ...ANSWER, ...answer }, META)).toEqual({
    model: "m",
    created_at: "1970-01-01T00:00:01.000Z",
    message: { role: "assistant", ...message },
    done: true,
    done_reason: reason,
    total_duration: 0,
    load_duration: 0,
    prompt_eval_count: 9,
    prompt_eval_duration: 0,
    eval_count: 2,
    eval_duration: 0,
  });
});

test("a measured answer tells its time, and /api/generate puts the text into response", () => {
  const body = toWholeAnswer("generate", { ...ANSWER, text: "a" }, { ...META, now: () => 3000 });
  expect(body).toMatchObject({ response: "a", done: true, total_duration: 2e9, eval_duration: 2e9 });
  expect(body).not.toHaveProperty("message");
});

test.each([
  ["<html>", "not JSON"],
  ['{"error":"boom"}', "boom"],
  ['{"model":"m","message":{"content":"a"},"done":false}', "ended early"],
  ['{"message":5}', "unknown shape"],
  ["[]", "unknown shape"],
])("%j is a failure", (body, cause) => {
  expect<unknown>(fromResponseBody(body).at(-1)).toEqual({
    type: "failed",
    failure: { kind: "engine_failed", engine: "engine", cause: expect.stringContaining(cause) },
  });
});
