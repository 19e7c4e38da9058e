import type { FinishReason } from "../../core/chat-event.ts";

export function fromStopReason(reason: string): FinishReason {
  switch (reason) {
    case "max_tokens":
    case "model_context_window_exceeded":
      return "length";
    case "tool_use":
      return "tool_calls";
    case "stop_sequence":
    case "refusal":
      return reason;
    default:
      return "stop";
  }
}

export function toStopReason(reason: FinishReason): string {
  switch (reason) {
    case "length":
      return "max_tokens";
    case "tool_calls":
      return "tool_use";
    case "content_filter":
    case "refusal":
      return "refusal";
    case "stop_sequence":
      return "stop_sequence";
    case "stop":
      return "end_turn";
  }
}
