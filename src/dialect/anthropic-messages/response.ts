import type { ChatAnswer } from "../../core/chat-answer.ts";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import { anthropicAnswer, type AnthropicAnswerBlock } from "../../wire/anthropic-messages.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { withToolCalls } from "../finish-reason.ts";
import { errorText, failed, tryJson } from "../sse-decoder.ts";
import { toCallId, toInput } from "./messages.ts";
import { LOCAL_SIGNATURE } from "./signature.ts";
import { fromStopReason, toStopReason } from "./stop-reason.ts";
import { fromUsage, toUsage } from "./usage.ts";

export function fromResponseBody(text: string): ChatEvent[] {
  const json = tryJson(text);
  if (json === undefined) return [failed("the answer is not JSON")];
  if (isJsonObject(json) && json.type === "error") return [failed(errorText(json.error))];
  const parsed = anthropicAnswer().safeParse(json);
  if (!parsed.success) return [failed("the answer has an unknown shape")];
  const { id, model, content, usage, stop_reason, stop_sequence } = parsed.data;
  const events: ChatEvent[] = [{ type: "start", ...(id ? { id } : {}), ...(model ? { model } : {}) }];
  let calls = 0;
  for (const block of content) {
    if (block.type !== "tool_use") {
      events.push(...fromBlock(block));
      continue;
    }
    events.push(fromToolUse(block, calls));
    events.push({ type: "tool_arguments", index: calls, json: JSON.stringify(block.input ?? {}) });
    calls += 1;
  }
  if (usage) events.push({ type: "usage", usage: fromUsage(usage) });
  const reason = withToolCalls(fromStopReason(stop_reason ?? "end_turn"), calls > 0);
  const matched = reason === "stop_sequence" && stop_sequence ? { stopSequence: stop_sequence } : {};
  events.push({ type: "done", reason, ...matched });
  return events;
}

/** What a block says at its start; in a stream most say it by deltas instead. */
export function fromBlock(block: AnthropicAnswerBlock): ChatEvent[] {
  const events: ChatEvent[] = [];
  if (block.type === "text" && block.text) events.push({ type: "text", text: block.text });
  if (block.type === "thinking") {
    if (block.thinking) events.push({ type: "thinking", text: block.thinking });
    if (block.signature) events.push({ type: "thinking_signature", signature: block.signature });
  }
  return events;
}

export function fromToolUse(block: AnthropicAnswerBlock, index: number): ChatEvent {
  return { type: "tool_call", index, id: block.id || `toolu_${index}`, name: block.name ?? "" };
}

export function toResponseBody(answer: ChatAnswer, meta: AnswerMeta): JsonObject {
  const content: JsonObject[] = [];
  if (answer.thinking !== "" || answer.thinkingSignature !== undefined) {
    const thinking = meta.omitThinking ? "" : answer.thinking;
    content.push({ type: "thinking", thinking, signature: answer.thinkingSignature ?? LOCAL_SIGNATURE });
  }
  const text = answer.text + answer.refusal;
  // Without `citations`, as the vendor answers who asked for none: the AI SDK below 4.0 refuses null there.
  if (text !== "") content.push({ type: "text", text });
  for (const call of answer.toolCalls) {
    content.push({ type: "tool_use", id: toCallId(call.id), name: call.name, input: toInput(call.arguments) });
  }
  const reason = withToolCalls(answer.reason, answer.toolCalls.length > 0);
  return {
    id: meta.id,
    type: "message",
    role: "assistant",
    model: meta.model,
    content,
    stop_reason: toStopReason(reason),
    stop_sequence: reason === "stop_sequence" ? (answer.stopSequence ?? null) : null,
    usage: toUsage(answer.usage),
  };
}
