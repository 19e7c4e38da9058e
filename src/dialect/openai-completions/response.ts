import type { ChatAnswer } from "../../core/chat-answer.ts";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import { openaiCompletionsAnswer } from "../../wire/openai-completions.ts";
import { sumUsage } from "../../core/token-usage.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { failed, tryJson } from "../sse-decoder.ts";
import { toLogprobs } from "./logprobs.ts";
import { finish, INITIAL_STATE, stepAnswer, toFinishReason } from "./stream.ts";
import { toUsage } from "../openai-chat/usage.ts";

/** A whole answer read as a stream of one chunk. */
export function fromResponseBody(text: string): ChatEvent[] {
  const json = tryJson(text);
  if (json === undefined) return [failed("the answer is not JSON")];
  const answer = openaiCompletionsAnswer().safeParse(json);
  if (!answer.success) return [failed("the answer has an unknown shape")];
  const [state, events] = stepAnswer(INITIAL_STATE, answer.data);
  if (events.at(-1)?.type === "failed") return [...events];
  if (!answer.data.choices?.length) return [failed("the answer has no choices")];
  return [...events, ...finish(state, state.reason ?? "stop")];
}

export function toResponseBody(answers: readonly ChatAnswer[], meta: AnswerMeta): JsonObject {
  return {
    id: meta.id,
    object: "text_completion",
    created: Math.floor(meta.createdAt / 1000),
    model: meta.model,
    choices: answers.map((answer, index) => ({
      text: answer.text + answer.refusal,
      index,
      logprobs: answer.logprobs.length > 0 ? toLogprobs(answer.logprobs, 0) : null,
      finish_reason: toFinishReason(answer.reason),
    })),
    usage: toUsage(sumUsage(answers.map(({ usage }) => usage))),
  };
}
