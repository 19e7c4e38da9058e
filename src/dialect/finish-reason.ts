import type { FinishReason } from "../core/chat-event.ts";

/**
 * Engines say `stop` although the model called a tool; agents then end their turn without running it. A call decides,
 * unless the answer was cut off.
 */
export function withToolCalls(reason: FinishReason, calledTools: boolean): FinishReason {
  return calledTools && (reason === "stop" || reason === "stop_sequence") ? "tool_calls" : reason;
}
