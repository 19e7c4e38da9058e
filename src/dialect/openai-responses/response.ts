import type { ChatAnswer } from "../../core/chat-answer.ts";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import { openaiResponse } from "../../wire/openai-responses-answer.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { failed, tryJson } from "../sse-decoder.ts";
import {
  callItem,
  callKind,
  itemId,
  messageItem,
  reasoningItem,
  styleOf,
  textContent,
  toEnding,
  toResponse,
  type ItemKind,
} from "./answer.ts";
import { fromCustomArguments } from "./custom-input.ts";
import { finishResponse, INITIAL } from "./stream.ts";
import { clientName } from "./tools.ts";

/** A whole answer read as a stream of its last event. */
export function fromResponseBody(text: string): ChatEvent[] {
  const json = tryJson(text);
  if (json === undefined) return [failed("the answer is not JSON")];
  const response = openaiResponse().safeParse(json);
  if (!response.success) return [failed("the answer has an unknown shape")];
  const [, events] = finishResponse(INITIAL, response.data);
  return [...events];
}

export function toResponseBody(answer: ChatAnswer, meta: AnswerMeta): JsonObject {
  const style = styleOf(meta);
  const { status, incompleteReason } = toEnding(answer.reason, answer.refusal !== "");
  const output: JsonObject[] = [];
  const id = (kind: ItemKind): string => itemId(style, kind, output.length);
  if (answer.thinking !== "" || answer.thinkingSignature !== undefined) {
    output.push(reasoningItem(style, id("rs"), answer.thinking, answer.thinkingSignature ?? null));
  }
  const content: JsonObject[] = [];
  if (answer.text !== "") content.push(textContent(answer.text, answer.logprobs));
  if (answer.refusal !== "") content.push({ type: "refusal", refusal: answer.refusal });
  const calls = answer.toolCalls;
  // Only the last item can have been cut off.
  if (content.length > 0) output.push(messageItem(id("msg"), content, calls.length > 0 ? "completed" : status));
  for (const [at, call] of calls.entries()) {
    const tool = clientName(style.names, call.name);
    const said = tool.custom ? fromCustomArguments(call.arguments) : call.arguments || "{}";
    const cut = at === calls.length - 1 && tryJson(call.arguments || "{}") === undefined;
    output.push(callItem(id(callKind(tool)), tool, call.id, said, cut ? status : "completed"));
  }
  return toResponse(meta, { status, incompleteReason, output, usage: answer.usage });
}
