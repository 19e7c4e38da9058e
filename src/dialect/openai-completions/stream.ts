import type { ChatEvent, FinishReason, StreamDecoder, StreamEncoder } from "../../core/chat-event.ts";
import type { TokenUsage } from "../../core/token-usage.ts";
import { openaiCompletionsAnswer, type OpenaiCompletionsAnswer } from "../../wire/openai-completions.ts";
import type { SseFrame } from "../../wire/sse.ts";
import { dataFrame, DONE_FRAME } from "../../wire/sse-write.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { ONLY_CHOICE, type StreamedChoice } from "../completion-dialect.ts";
import { errorFrame } from "../openai-error-frame.ts";
import { errorText, failed, sseDecoder, tryJson } from "../sse-decoder.ts";
import { characters, fromLogprobs, toLogprobs } from "./logprobs.ts";
import { fromUsage, toUsage } from "../openai-chat/usage.ts";

/** What is known of an answer so far. `reason` null: the engine has not said that it finished. */
export interface DecoderState {
  readonly started: boolean;
  readonly reason: FinishReason | null;
  readonly stopSequence: string | null;
  readonly usage: TokenUsage | null;
}

type Step = readonly [DecoderState, readonly ChatEvent[]];

export const INITIAL_STATE: DecoderState = { started: false, reason: null, stopSequence: null, usage: null };

export function decoder(): StreamDecoder {
  return sseDecoder({ initial: INITIAL_STATE, step: stepFrame, end });
}

function stepFrame(state: DecoderState, frame: SseFrame): Step {
  if (frame.data === "[DONE]") return [state, finish(state, state.reason ?? "stop")];
  const json = tryJson(frame.data);
  if (json === undefined) return [state, [failed("a frame of the answer is not JSON")]];
  const chunk = openaiCompletionsAnswer().safeParse(json);
  if (!chunk.success) return [state, [failed("a frame of the answer has an unknown shape")]];
  return stepAnswer(state, chunk.data);
}

/** One chunk, or one whole answer: they have the same shape. */
export function stepAnswer(state: DecoderState, answer: OpenaiCompletionsAnswer): Step {
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
  if (choice?.text) {
    const logprobs = choice.logprobs ? { logprobs: fromLogprobs(choice.logprobs) } : {};
    events.push({ type: "text", text: choice.text, ...logprobs });
  }
  if (choice?.finish_reason) {
    if (choice.finish_reason === "abort" || choice.finish_reason === "error") {
      return [next, [...events, failed("the engine gave the answer up")]];
    }
    const stopSequence = typeof choice.stop_reason === "string" ? choice.stop_reason : null;
    next = { ...next, reason: fromFinishReason(choice.finish_reason, stopSequence), stopSequence };
  }
  // Some engines repeat it in each chunk; the last one counts.
  if (answer.usage) next = { ...next, usage: fromUsage(answer.usage) };
  return [next, events];
}

function fromFinishReason(reason: string, stopSequence: string | null): FinishReason {
  if (reason === "length" || reason === "content_filter") return reason;
  return stopSequence === null ? "stop" : "stop_sequence";
}

/** Usage comes after the finish reason, so the end is said only when the stream is over. */
export function finish({ usage, stopSequence }: DecoderState, reason: FinishReason): ChatEvent[] {
  const matched = reason === "stop_sequence" && stopSequence !== null ? { stopSequence } : {};
  const done: ChatEvent = { type: "done", reason, ...matched };
  return usage ? [{ type: "usage", usage }, done] : [done];
}

/** A finish reason without `[DONE]` is an end; neither means that the engine was killed: never a silent stop. */
function end(state: DecoderState): ChatEvent[] {
  return state.reason === null ? [failed("the answer ended early")] : finish(state, state.reason);
}

export function toFinishReason(reason: FinishReason): string {
  if (reason === "length") return reason;
  return reason === "content_filter" || reason === "refusal" ? "content_filter" : "stop";
}

interface EncoderState {
  readonly open: boolean;
  readonly usage: TokenUsage | null;
  /** How many characters went out, for the offsets of log probabilities. */
  readonly length: number;
}

export function encoder(meta: AnswerMeta, choice: StreamedChoice = ONLY_CHOICE): StreamEncoder {
  const created = Math.floor(meta.createdAt / 1000);
  const head = `"id":${JSON.stringify(meta.id)},"object":"text_completion","created":${created},"model":${JSON.stringify(meta.model)}`;
  let state: EncoderState = { open: true, usage: null, length: 0 };
  return {
    encode(event) {
      if (!state.open) return "";
      const [next, frames] = encodeStep(state, event, { head, choice, includeUsage: meta.includeUsage });
      state = next;
      return frames;
    },
  };
}

interface Frame {
  readonly head: string;
  readonly choice: StreamedChoice;
  readonly includeUsage: boolean;
}

function encodeStep(state: EncoderState, event: ChatEvent, frame: Frame): readonly [EncoderState, string] {
  switch (event.type) {
    case "failed":
      return [{ ...state, open: false }, errorFrame(event.failure)];
    case "usage":
      return [{ ...state, usage: event.usage }, ""];
    case "text":
    case "refusal": {
      const told = event.type === "text" ? event.logprobs : undefined;
      const logprobs = told ? JSON.stringify(toLogprobs(told, state.length)) : "null";
      const next = { ...state, length: state.length + characters(event.text) };
      return [next, textFrame(frame, JSON.stringify(event.text), logprobs)];
    }
    case "done": {
      const closed = { ...state, open: false };
      const end = textFrame(frame, '""', "null", `"${toFinishReason(event.reason)}"`);
      if (!frame.choice.last) return [closed, end];
      const usage = frame.includeUsage && state.usage ? JSON.stringify(toUsage(state.usage)) : null;
      const counted = usage === null ? "" : dataFrame(`{${frame.head},"choices":[],"usage":${usage}}`);
      return [closed, end + counted + DONE_FRAME];
    }
    // A text that is completed without a template has no thinking and no calls; this API has no place for them.
    case "start":
    case "thinking":
    case "thinking_signature":
    case "tool_call":
    case "tool_arguments":
      return [state, ""];
  }
}

function textFrame({ head, choice }: Frame, text: string, logprobs: string, reason = "null"): string {
  const { index } = choice;
  return dataFrame(
    `{${head},"choices":[{"text":${text},"index":${index},"logprobs":${logprobs},"finish_reason":${reason}}]}`,
  );
}
