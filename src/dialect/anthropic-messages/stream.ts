import type { ChatEvent, FinishReason, StreamDecoder, StreamEncoder } from "../../core/chat-event.ts";
import { NO_TOKENS, type TokenUsage } from "../../core/token-usage.ts";
import { anthropicStreamEvent, type AnthropicStreamEvent } from "../../wire/anthropic-messages.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import type { SseFrame } from "../../wire/sse.ts";
import { eventFrame } from "../../wire/sse-write.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { toErrorObject } from "../failure-shape.ts";
import { withToolCalls } from "../finish-reason.ts";
import { errorText, failed, sseDecoder, tryJson } from "../sse-decoder.ts";
import { endBlocks, NO_BLOCKS, stepBlock, type BlockState } from "./blocks.ts";
import { fromBlock, fromToolUse } from "./response.ts";
import { fromStopReason, toStopReason } from "./stop-reason.ts";
import { fromUsage, toUsage } from "./usage.ts";

interface State {
  /** Call number by block index. */
  readonly calls: ReadonlyMap<number, number>;
  readonly usage: TokenUsage | null;
  readonly reason: FinishReason | null;
  readonly stopSequence: string | null;
}

type Step = readonly [State, readonly ChatEvent[]];

const INITIAL: State = { calls: new Map(), usage: null, reason: null, stopSequence: null };
const MEANT = new Set([
  "message_start",
  "content_block_start",
  "content_block_delta",
  "message_delta",
  "message_stop",
  "error",
]);

export function decoder(): StreamDecoder {
  return sseDecoder({ initial: INITIAL, step: stepFrame, end });
}

function stepFrame(state: State, frame: SseFrame): Step {
  const json = tryJson(frame.data);
  if (!isJsonObject(json)) return [state, [failed("a frame of the answer is not JSON")]];
  if (typeof json.type !== "string" || !MEANT.has(json.type)) return [state, []];
  const event = anthropicStreamEvent().safeParse(json);
  if (!event.success) return [state, [failed("a frame of the answer has an unknown shape")]];
  return stepEvent(state, event.data);
}

function stepEvent(state: State, event: AnthropicStreamEvent): Step {
  switch (event.type) {
    case "message_start": {
      const { id, model, usage } = event.message;
      const start: ChatEvent = { type: "start", ...(id ? { id } : {}), ...(model ? { model } : {}) };
      return [usage ? { ...state, usage: fromUsage(usage) } : state, [start]];
    }
    case "content_block_start": {
      if (event.content_block.type !== "tool_use") return [state, fromBlock(event.content_block)];
      const call = state.calls.size;
      const { input } = event.content_block;
      const events: ChatEvent[] = [fromToolUse(event.content_block, call)];
      // Mostly empty here, with the arguments in deltas; some servers send them whole.
      if (input && Object.keys(input).length > 0) {
        events.push({ type: "tool_arguments", index: call, json: JSON.stringify(input) });
      }
      return [{ ...state, calls: new Map(state.calls).set(event.index, call) }, events];
    }
    case "content_block_delta":
      return [state, fromDelta(event.delta, state.calls.get(event.index))];
    case "message_delta": {
      const usage = event.usage ? fromUsage(event.usage, state.usage ?? NO_TOKENS) : state.usage;
      const reason = event.delta.stop_reason ? fromStopReason(event.delta.stop_reason) : state.reason;
      return [{ ...state, usage, reason, stopSequence: event.delta.stop_sequence ?? null }, []];
    }
    case "message_stop":
      return [state, finish(state, state.reason ?? "stop")];
    case "error":
      return [state, [failed(errorText(event.error))]];
  }
}

type Delta = Extract<AnthropicStreamEvent, { type: "content_block_delta" }>["delta"];

function fromDelta(delta: Delta, call: number | undefined): ChatEvent[] {
  switch (delta.type) {
    case "text_delta":
      return delta.text ? [{ type: "text", text: delta.text }] : [];
    case "thinking_delta":
      return delta.thinking ? [{ type: "thinking", text: delta.thinking }] : [];
    case "signature_delta":
      return delta.signature ? [{ type: "thinking_signature", signature: delta.signature }] : [];
    case "input_json_delta":
      return delta.partial_json && call !== undefined
        ? [{ type: "tool_arguments", index: call, json: delta.partial_json }]
        : [];
    default:
      return [];
  }
}

function finish(state: State, given: FinishReason): ChatEvent[] {
  const reason = withToolCalls(given, state.calls.size > 0);
  const matched = reason === "stop_sequence" && state.stopSequence ? { stopSequence: state.stopSequence } : {};
  const done: ChatEvent = { type: "done", reason, ...matched };
  return state.usage ? [{ type: "usage", usage: state.usage }, done] : [done];
}

/** A stop reason without `message_stop` is an end; neither means that the engine was killed. */
function end(state: State): ChatEvent[] {
  return state.reason === null ? [failed("the answer ended early")] : finish(state, state.reason);
}

interface EncoderState {
  readonly open: boolean;
  readonly started: boolean;
  readonly usage: TokenUsage | null;
  readonly blocks: BlockState;
}

export function encoder(meta: AnswerMeta): StreamEncoder {
  let state: EncoderState = { open: true, started: false, usage: null, blocks: NO_BLOCKS };
  return {
    encode(event) {
      if (!state.open) return "";
      const [next, frames] = encodeStep(state, event, meta);
      state = next;
      return frames;
    },
  };
}

function encodeStep(state: EncoderState, event: ChatEvent, meta: AnswerMeta): readonly [EncoderState, string] {
  if (event.type === "failed") return [{ ...state, open: false }, errorFrame(event)];
  if (event.type === "usage") return [{ ...state, usage: event.usage }, ""];
  const opening = state.started ? "" : messageStart(meta);
  const omitThinking = meta.omitThinking ?? false;
  if (event.type !== "done") {
    const [blocks, frames] = stepBlock(state.blocks, event, omitThinking);
    return [{ ...state, started: true, blocks }, opening + frames];
  }
  const [blocks, frames] = endBlocks(state.blocks, omitThinking);
  // Clients fail without usage here; where the engine told none, the estimates are better than zeros.
  const estimate = { ...NO_TOKENS, promptTokens: meta.promptTokensEstimate, completionTokens: blocks.fragments };
  const reason = withToolCalls(event.reason, blocks.called);
  const delta = {
    stop_reason: toStopReason(reason),
    stop_sequence: reason === "stop_sequence" ? (event.stopSequence ?? null) : null,
  };
  const end = { type: "message_delta", delta, usage: toUsage(state.usage ?? estimate) };
  const closing = eventFrame("message_delta", JSON.stringify(end)) + MESSAGE_STOP;
  return [{ ...state, open: false, started: true, blocks }, opening + frames + closing];
}

const MESSAGE_STOP = eventFrame("message_stop", '{"type":"message_stop"}');

function messageStart(meta: AnswerMeta): string {
  const message = {
    id: meta.id,
    type: "message",
    role: "assistant",
    model: meta.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: toUsage({ ...NO_TOKENS, promptTokens: meta.promptTokensEstimate }),
  };
  return eventFrame("message_start", JSON.stringify({ type: "message_start", message }));
}

function errorFrame(event: Extract<ChatEvent, { type: "failed" }>): string {
  if (event.failure.kind === "cancelled") return "";
  return eventFrame("error", JSON.stringify(toErrorObject("anthropic", event.failure, null)));
}
