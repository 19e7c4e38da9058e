import type { ChatEvent, FinishReason, TokenLogprob } from "./chat-event.ts";
import type { ToolCallPart } from "./chat-request.ts";
import { engineFailure, type Failure } from "./failure.ts";
import { err, ok, type Result } from "./result.ts";
import { NO_TOKENS, type TokenUsage } from "./token-usage.ts";

/** A whole answer: what the events of one stream add up to. */
export interface ChatAnswer {
  readonly text: string;
  readonly thinking: string;
  readonly thinkingSignature?: string;
  readonly refusal: string;
  readonly toolCalls: readonly ToolCallPart[];
  readonly logprobs: readonly TokenLogprob[];
  readonly usage: TokenUsage;
  readonly reason: FinishReason;
  readonly stopSequence?: string;
}

/** Adds events up; a stream that failed, or never came to its end, is that failure. */
export function collectAnswer(events: Iterable<ChatEvent>): Result<ChatAnswer, Failure> {
  let text = "";
  let thinking = "";
  let thinkingSignature: string | undefined;
  let refusal = "";
  let usage = NO_TOKENS;
  const calls: { type: "tool_call"; id: string; name: string; arguments: string }[] = [];
  const logprobs: TokenLogprob[] = [];
  for (const event of events) {
    switch (event.type) {
      case "text":
        text += event.text;
        if (event.logprobs) logprobs.push(...event.logprobs);
        break;
      case "thinking":
        thinking += event.text;
        break;
      case "thinking_signature":
        thinkingSignature = event.signature;
        break;
      case "refusal":
        refusal += event.text;
        break;
      case "tool_call":
        calls[event.index] = { type: "tool_call", id: event.id, name: event.name, arguments: "" };
        break;
      case "tool_arguments": {
        const call = calls[event.index];
        if (call) call.arguments += event.json;
        break;
      }
      case "usage":
        usage = event.usage;
        break;
      case "failed":
        return err(event.failure);
      case "done":
        return ok({
          text,
          thinking,
          ...(thinkingSignature === undefined ? {} : { thinkingSignature }),
          refusal,
          toolCalls: calls.filter((call) => call !== undefined),
          logprobs,
          usage,
          reason: event.reason,
          ...(event.stopSequence === undefined ? {} : { stopSequence: event.stopSequence }),
        });
      case "start":
        break;
    }
  }
  return err(engineFailure("the answer ended early"));
}
