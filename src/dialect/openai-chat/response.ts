import type { ChatAnswer } from "../../core/chat-answer.ts";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import { openaiChatAnswer } from "../../wire/openai-chat.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { failed, tryJson } from "../sse-decoder.ts";
import { finish, initialState, stepAnswer, toFinishReason, toLogprobs } from "./stream.ts";
import { toUsage } from "./usage.ts";

/** A whole answer read as a stream of one chunk. */
export function fromResponseBody(text: string): ChatEvent[] {
  const json = tryJson(text);
  if (json === undefined) return [failed("the answer is not JSON")];
  const answer = openaiChatAnswer().safeParse(json);
  if (!answer.success) return [failed("the answer has an unknown shape")];
  const seed = (answer.data.id ?? "").replaceAll(/[^a-zA-Z0-9]/g, "").slice(-24);
  const [state, events] = stepAnswer(initialState(seed), answer.data);
  if (events.at(-1)?.type === "failed") return [...events];
  if (!answer.data.choices?.length) return [failed("the answer has no choices")];
  return [...events, ...finish(state, state.reason ?? "stop")];
}

export function toResponseBody(answer: ChatAnswer, meta: AnswerMeta): JsonObject {
  const called = answer.toolCalls.length > 0;
  const message: JsonObject = {
    role: "assistant",
    content: answer.text === "" && (called || answer.refusal !== "") ? null : answer.text,
    refusal: answer.refusal === "" ? null : answer.refusal,
  };
  if (answer.thinking !== "") message.reasoning_content = answer.thinking;
  if (called) {
    message.tool_calls = answer.toolCalls.map((call) => ({
      id: call.id,
      type: "function",
      function: { name: call.name, arguments: call.arguments || "{}" },
    }));
  }
  return {
    id: meta.id,
    object: "chat.completion",
    created: Math.floor(meta.createdAt / 1000),
    model: meta.model,
    choices: [
      {
        index: 0,
        message,
        logprobs: answer.logprobs.length > 0 ? toLogprobs(answer.logprobs) : null,
        finish_reason: toFinishReason(answer.reason, called, answer.refusal !== ""),
      },
    ],
    usage: toUsage(answer.usage),
  };
}
