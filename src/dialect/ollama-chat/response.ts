import type { ChatAnswer } from "../../core/chat-answer.ts";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import { ollamaAnswer } from "../../wire/ollama.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { failed, tryJson } from "../sse-decoder.ts";
import { INITIAL_STATE, stepAnswer, toDoneReason, toLogprobs, toSaid, type Endpoint } from "./stream.ts";
import { toMetrics } from "./usage.ts";

/** A whole answer read as a stream of one line. */
export function fromResponseBody(text: string): ChatEvent[] {
  const json = tryJson(text);
  if (json === undefined) return [failed("the answer is not JSON")];
  const answer = ollamaAnswer().safeParse(json);
  if (!answer.success) return [failed("the answer has an unknown shape")];
  const [, events] = stepAnswer(INITIAL_STATE, answer.data);
  const last = events.at(-1)?.type;
  return last === "done" || last === "failed" ? [...events] : [...events, failed("the answer ended early")];
}

export function toResponseBody(answer: ChatAnswer, meta: AnswerMeta): JsonObject {
  return toWholeAnswer("chat", answer, meta);
}

export function toWholeAnswer(endpoint: Endpoint, answer: ChatAnswer, meta: AnswerMeta): JsonObject {
  const said = {
    text: answer.text + answer.refusal,
    thinking: meta.omitThinking ? "" : answer.thinking,
    calls: answer.toolCalls,
  };
  const timings = meta.now ? { totalMs: Math.max(0, meta.now() - meta.createdAt), promptMs: null } : null;
  return {
    model: meta.model,
    created_at: new Date(meta.createdAt).toISOString(),
    ...toSaid(endpoint, said),
    done: true,
    done_reason: toDoneReason(answer.reason),
    ...toMetrics(answer.usage, timings),
    ...(answer.logprobs.length > 0 ? { logprobs: toLogprobs(answer.logprobs) } : {}),
  };
}
