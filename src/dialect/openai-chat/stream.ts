import type { ChatEvent, FinishReason, StreamDecoder, StreamEncoder, TokenLogprob } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import { newId } from "../../core/id.ts";
import type { TokenUsage } from "../../core/token-usage.ts";
import {
  openaiChatAnswer,
  type OpenaiChatAnswer,
  type OpenaiChoice,
  type OpenaiDelta,
} from "../../wire/openai-chat.ts";
import type { SseFrame } from "../../wire/sse.ts";
import { dataFrame, DONE_FRAME } from "../../wire/sse-write.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { errorFrame } from "../openai-error-frame.ts";
import { withToolCalls } from "../finish-reason.ts";
import { RepeatedFrame } from "../repeated-frame.ts";
import { errorText, failed, sseDecoder, tryJson } from "../sse-decoder.ts";
import { fromTokenLogprobs } from "../token-logprobs.ts";
import { stepToolCall, type GatheredCall } from "./tool-call-deltas.ts";
import { fromUsage, toUsage } from "./usage.ts";

/** What is known of an answer so far. `reason` null: the engine has not said that it finished. */
export interface DecoderState {
  readonly started: boolean;
  readonly refused: boolean;
  readonly calls: readonly GatheredCall[];
  readonly reason: FinishReason | null;
  readonly stopSequence: string | null;
  readonly usage: TokenUsage | null;
  /** Goes into the ids of calls that the engine gave none. */
  readonly idSeed: string;
}

type Step = readonly [DecoderState, readonly ChatEvent[]];

export function decoder(): StreamDecoder {
  const repeated = new RepeatedFrame();
  return sseDecoder({ initial: initialState(newId("x").slice(2)), step: stepFrame, end, repeated });
}

export function initialState(idSeed: string): DecoderState {
  return { started: false, refused: false, calls: [], reason: null, stopSequence: null, usage: null, idSeed };
}

function stepFrame(state: DecoderState, frame: SseFrame): Step {
  if (frame.data === "[DONE]") return [state, finish(state, state.reason ?? "stop")];
  const json = tryJson(frame.data);
  if (json === undefined) return [state, [failed("a frame of the answer is not JSON")]];
  const chunk = openaiChatAnswer().safeParse(json);
  if (!chunk.success) return [state, [failed("a frame of the answer has an unknown shape")]];
  return stepAnswer(state, chunk.data);
}

/** One chunk, or one whole answer: the same but for `delta` and `message`. */
export function stepAnswer(state: DecoderState, answer: OpenaiChatAnswer): Step {
  if (answer.error !== undefined && answer.error !== null) return [state, [failed(errorText(answer.error))]];
  const events: ChatEvent[] = [];
  let next = state;
  if (!state.started) {
    const id = answer.id ? { id: answer.id } : {};
    events.push({ type: "start", ...id, ...(answer.model ? { model: answer.model } : {}) });
    next = { ...next, started: true };
  }
  // More than one choice is refused on the way in; an engine that gives more is read for the first.
  const choice = answer.choices?.find((one) => (one.index ?? 0) === 0);
  const content = choice?.delta ?? choice?.message;
  if (choice && content) next = stepContent(next, content, choice, events);
  if (choice?.finish_reason) {
    const stopSequence = typeof choice.stop_reason === "string" ? choice.stop_reason : null;
    if (choice.finish_reason === "abort" || choice.finish_reason === "error") {
      return [next, [...events, failed("the engine gave the answer up")]];
    }
    next = { ...next, reason: fromFinishReason(choice.finish_reason, stopSequence), stopSequence };
  }
  // Some engines repeat it in each chunk; the last one counts.
  if (answer.usage) next = { ...next, usage: fromUsage(answer.usage) };
  return [next, events];
}

function stepContent(state: DecoderState, delta: OpenaiDelta, choice: OpenaiChoice, events: ChatEvent[]): DecoderState {
  const thinking = delta.reasoning_content ?? delta.reasoning;
  if (thinking) events.push({ type: "thinking", text: thinking });
  if (delta.content) {
    const logprobs = choice.logprobs?.content ? { logprobs: fromTokenLogprobs(choice.logprobs.content) } : {};
    events.push({ type: "text", text: delta.content, ...logprobs });
  }
  if (delta.refusal) events.push({ type: "refusal", text: delta.refusal });
  let { calls } = state;
  for (const call of delta.tool_calls ?? []) {
    const [next, called] = stepToolCall(calls, call, state.idSeed);
    calls = next;
    events.push(...called);
  }
  return calls === state.calls && !delta.refusal
    ? state
    : { ...state, calls, refused: state.refused || !!delta.refusal };
}

function fromFinishReason(reason: string, stopSequence: string | null): FinishReason {
  switch (reason) {
    case "length":
    case "content_filter":
    case "tool_calls":
      return reason;
    case "function_call":
      return "tool_calls";
    default:
      return stopSequence === null ? "stop" : "stop_sequence";
  }
}

/** Usage comes after the finish reason, so the end is said only when the stream is over. */
export function finish(state: DecoderState, given: FinishReason): ChatEvent[] {
  if (state.calls.some((call) => call.name === "")) return [failed("the answer has a tool call without a name")];
  const called = withToolCalls(given, state.calls.length > 0);
  const reason = called === "stop" && state.refused ? "refusal" : called;
  const stopSequence = reason === "stop_sequence" && state.stopSequence !== null ? state.stopSequence : undefined;
  const done: ChatEvent = { type: "done", reason, ...(stopSequence === undefined ? {} : { stopSequence }) };
  return state.usage ? [{ type: "usage", usage: state.usage }, done] : [done];
}

/** A finish reason without `[DONE]` is an end; neither means that the engine was killed: never a silent stop. */
function end(state: DecoderState): ChatEvent[] {
  return state.reason === null ? [failed("the answer ended early")] : finish(state, state.reason);
}

export function toLogprobs(logprobs: readonly TokenLogprob[]): JsonObject {
  const toToken = (one: TokenLogprob["top"][number]): JsonObject => ({
    token: one.token,
    logprob: one.logprob,
    bytes: one.bytes && [...one.bytes],
  });
  const content = logprobs.map((one) => ({ ...toToken(one), top_logprobs: one.top.map(toToken) }));
  return { content, refusal: null };
}

export function toFinishReason(reason: FinishReason, calledTools: boolean, refused: boolean): string {
  switch (withToolCalls(reason, calledTools)) {
    case "length":
      return "length";
    case "tool_calls":
      return "tool_calls";
    case "content_filter":
      return "content_filter";
    case "refusal":
      return refused ? "stop" : "content_filter";
    default:
      return "stop";
  }
}

interface EncoderState {
  readonly open: boolean;
  readonly started: boolean;
  readonly refused: boolean;
  readonly called: boolean;
  /** Calls that have no arguments yet, by index. */
  readonly bare: readonly number[];
  readonly usage: TokenUsage | null;
}

export function encoder(meta: AnswerMeta): StreamEncoder {
  const created = Math.floor(meta.createdAt / 1000);
  const head = `"id":${JSON.stringify(meta.id)},"object":"chat.completion.chunk","created":${created},"model":${JSON.stringify(meta.model)}`;
  let state: EncoderState = { open: true, started: false, refused: false, called: false, bare: [], usage: null };
  return {
    encode(event) {
      if (!state.open) return "";
      const [next, frames] = encodeStep(state, event, head, meta.includeUsage);
      state = next;
      return frames;
    },
  };
}

function encodeStep(
  state: EncoderState,
  event: ChatEvent,
  head: string,
  includeUsage: boolean,
): readonly [EncoderState, string] {
  if (event.type === "failed") return [{ ...state, open: false }, errorFrame(event.failure)];
  if (event.type === "usage") return [{ ...state, usage: event.usage }, ""];
  const opening = state.started ? "" : deltaFrame(head, '{"role":"assistant","content":""}');
  const next = state.started ? state : { ...state, started: true };
  switch (event.type) {
    case "start":
    case "thinking_signature":
      return [next, opening];
    case "text": {
      const logprobs = event.logprobs ? JSON.stringify(toLogprobs(event.logprobs)) : "null";
      return [next, opening + deltaFrame(head, `{"content":${JSON.stringify(event.text)}}`, logprobs)];
    }
    case "thinking":
      return [next, opening + deltaFrame(head, `{"reasoning_content":${JSON.stringify(event.text)}}`)];
    case "refusal":
      return [{ ...next, refused: true }, opening + deltaFrame(head, `{"refusal":${JSON.stringify(event.text)}}`)];
    case "tool_call": {
      const { index, id, name } = event;
      const call = JSON.stringify([{ index, id, type: "function", function: { name, arguments: "" } }]);
      return [
        { ...next, called: true, bare: [...next.bare, index] },
        opening + deltaFrame(head, `{"tool_calls":${call}}`),
      ];
    }
    case "tool_arguments": {
      const bare = next.bare.includes(event.index) ? next.bare.filter((one) => one !== event.index) : next.bare;
      return [{ ...next, bare }, opening + argumentsFrame(head, event.index, event.json)];
    }
    case "done": {
      let frames = opening;
      // Clients parse the joined arguments: a call without any must still be JSON.
      for (const index of next.bare) frames += argumentsFrame(head, index, "{}");
      const reason = toFinishReason(event.reason, next.called, next.refused);
      frames += deltaFrame(head, "{}", "null", `"${reason}"`);
      if (includeUsage && next.usage)
        frames += dataFrame(`{${head},"choices":[],"usage":${JSON.stringify(toUsage(next.usage))}}`);
      return [{ ...next, open: false }, frames + DONE_FRAME];
    }
  }
}

function deltaFrame(head: string, delta: string, logprobs = "null", reason = "null"): string {
  return dataFrame(
    `{${head},"choices":[{"index":0,"delta":${delta},"logprobs":${logprobs},"finish_reason":${reason}}]}`,
  );
}

function argumentsFrame(head: string, index: number, json: string): string {
  return deltaFrame(head, `{"tool_calls":[{"index":${index},"function":{"arguments":${JSON.stringify(json)}}}]}`);
}
