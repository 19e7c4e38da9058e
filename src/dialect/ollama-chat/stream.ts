import type { ChatEvent, StreamDecoder, StreamEncoder, TokenLogprob } from "../../core/chat-event.ts";
import type { JsonObject, ToolCallPart } from "../../core/chat-request.ts";
import { newId } from "../../core/id.ts";
import { NO_TOKENS, type TokenUsage } from "../../core/token-usage.ts";
import { jsonLine } from "../../wire/ndjson.ts";
import { ollamaAnswer, type OllamaAnswer } from "../../wire/ollama.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { toErrorObject } from "../failure-shape.ts";
import { withToolCalls } from "../finish-reason.ts";
import { errorText, failed } from "../sse-decoder.ts";
import { fromTokenLogprobs } from "../token-logprobs.ts";
import { argumentsText, toToolCall } from "./messages.ts";
import { ndjsonDecoder } from "./ndjson-decoder.ts";
import { fromUsage, toMetrics } from "./usage.ts";

export interface DecoderState {
  readonly started: boolean;
  readonly calls: number;
  readonly usage: TokenUsage | null;
  /** Of tokens whose text is still held back while the engine looks for a tool call in it. */
  readonly early: readonly TokenLogprob[];
  /** Goes into the ids of calls that the engine gave none. */
  readonly idSeed: string;
}

type Step = readonly [DecoderState, readonly ChatEvent[]];

export const INITIAL_STATE: DecoderState = { started: false, calls: 0, usage: null, early: [], idSeed: "" };

/** Reads streams of `/api/chat` and of `/api/generate`: they differ in where the text stands. */
export function decoder(): StreamDecoder {
  return ndjsonDecoder({ initial: INITIAL_STATE, step, end: () => [failed("the answer ended early")] });
}

function step(state: DecoderState, value: unknown): Step {
  const line = ollamaAnswer().safeParse(value);
  return line.success ? stepAnswer(state, line.data) : [state, [failed("a line of the answer has an unknown shape")]];
}

/** One line, or one whole answer: they are the same. */
export function stepAnswer(state: DecoderState, answer: OllamaAnswer): Step {
  // The status is 200 by then: engines fail in mid-stream with a line of their own.
  if (answer.error !== undefined && answer.error !== null) return [state, [failed(errorText(answer.error))]];
  const events: ChatEvent[] = [];
  let next = state;
  if (!state.started) {
    events.push({ type: "start", ...(answer.model ? { model: answer.model } : {}) });
    next = { ...next, started: true, idSeed: seedOf(answer) };
  }
  next = stepContent(next, answer, events);
  next = { ...next, usage: fromUsage(answer) ?? next.usage };
  return [next, answer.done ? [...events, ...finish(next, answer.done_reason ?? "stop")] : events];
}

/** The first line's time to the nanosecond: no two answers share it, and the same bytes always give the same ids. */
function seedOf(answer: OllamaAnswer): string {
  return answer.created_at?.replaceAll(/\D/g, "") || newId("x").slice(2);
}

function stepContent(state: DecoderState, answer: OllamaAnswer, events: ChatEvent[]): DecoderState {
  const text = answer.message?.content ?? answer.response;
  const thinking = answer.message?.thinking ?? answer.thinking;
  let { calls } = state;
  let early = state.early;
  if (thinking) events.push({ type: "thinking", text: thinking });
  else if (answer.logprobs) early = [...early, ...fromTokenLogprobs(answer.logprobs)];
  if (text) {
    events.push({ type: "text", text, ...(early.length > 0 ? { logprobs: early } : {}) });
    early = [];
  }
  // Each call comes whole, in one line.
  for (const { id, function: call } of answer.message?.tool_calls ?? answer.tool_calls ?? []) {
    events.push({ type: "tool_call", index: calls, id: id || `call_${state.idSeed}_${calls}`, name: call.name });
    events.push({ type: "tool_arguments", index: calls, json: argumentsText(call.arguments) });
    calls += 1;
  }
  return { ...state, calls, early };
}

function finish(state: DecoderState, reason: string): ChatEvent[] {
  if (reason === "load" || reason === "unload") return [failed(`it ${reason}ed the model and gave no answer`)];
  const done = withToolCalls(reason === "length" ? "length" : "stop", state.calls > 0);
  return [...(state.usage ? [{ type: "usage", usage: state.usage } as const] : []), { type: "done", reason: done }];
}

export function toLogprobs(logprobs: readonly TokenLogprob[]): JsonObject[] {
  const toToken = ({ token, logprob, bytes }: TokenLogprob["top"][number]): JsonObject => ({
    token,
    logprob,
    ...(bytes ? { bytes: [...bytes] } : {}),
  });
  return logprobs.map((one) => ({
    ...toToken(one),
    ...(one.top.length > 0 ? { top_logprobs: one.top.map(toToken) } : {}),
  }));
}

/** Where the answer's pieces stand: in `message`, or beside each other. */
export type Endpoint = "chat" | "generate";

export interface Said {
  readonly text: string;
  readonly thinking: string;
  readonly calls: readonly ToolCallPart[];
}

const NOTHING_SAID: Said = { text: "", thinking: "", calls: [] };

/** The members that carry what was said; the text is there always, the rest where it is. */
export function toSaid(endpoint: Endpoint, { text, thinking, calls }: Said): JsonObject {
  const rest = {
    ...(thinking === "" ? {} : { thinking }),
    ...(calls.length > 0 ? { tool_calls: calls.map(toToolCall) } : {}),
  };
  return endpoint === "chat" ? { message: { role: "assistant", content: text, ...rest } } : { response: text, ...rest };
}

/** Calls end an answer like any text does. */
export function toDoneReason(reason: string): string {
  return reason === "length" ? "length" : "stop";
}

export function encoder(meta: AnswerMeta): StreamEncoder {
  return lineEncoder("chat", meta);
}

interface EncoderState {
  readonly open: boolean;
  /** Ollama's calls are whole, so they wait for their last piece. By index. */
  readonly calls: readonly ToolCallPart[];
  readonly usage: TokenUsage;
  /** When the first piece came; null: none yet, or nobody measures. */
  readonly firstAt: number | null;
}

type LineWriter = (said: Partial<Said>, more?: JsonObject) => string;

export function lineEncoder(endpoint: Endpoint, meta: AnswerMeta): StreamEncoder {
  const head = JSON.stringify({ model: meta.model, created_at: new Date(meta.createdAt).toISOString() }).slice(0, -1);
  const line: LineWriter = (said, more = {}) => {
    const members = { ...toSaid(endpoint, { ...NOTHING_SAID, ...said }), done: false, ...more };
    return jsonLine(`${head},${JSON.stringify(members).slice(1)}`);
  };
  let state: EncoderState = { open: true, calls: [], usage: NO_TOKENS, firstAt: null };
  return {
    encode(event) {
      if (!state.open) return "";
      const [next, lines] = encodeStep(state, event, meta, line);
      state = next;
      return lines;
    },
  };
}

function encodeStep(
  state: EncoderState,
  event: ChatEvent,
  meta: AnswerMeta,
  line: LineWriter,
): readonly [EncoderState, string] {
  const next = isContent(event) && state.firstAt === null && meta.now ? { ...state, firstAt: meta.now() } : state;
  switch (event.type) {
    case "start":
    // There is no place for a signature.
    case "thinking_signature":
      return [state, ""];
    case "usage":
      return [{ ...state, usage: event.usage }, ""];
    case "text":
      return [next, line({ text: event.text }, event.logprobs ? { logprobs: toLogprobs(event.logprobs) } : {})];
    case "refusal":
      return [next, line({ text: event.text })];
    case "thinking":
      return [next, meta.omitThinking ? "" : line({ thinking: event.text })];
    case "tool_call": {
      const calls = [...next.calls];
      calls[event.index] = { type: "tool_call", id: event.id, name: event.name, arguments: "" };
      return [{ ...next, calls }, ""];
    }
    case "tool_arguments": {
      const calls = next.calls.map((call, index) =>
        index === event.index ? { ...call, arguments: call.arguments + event.json } : call,
      );
      return [{ ...next, calls }, ""];
    }
    case "done": {
      const calls = next.calls.filter((call) => call !== undefined);
      const called = calls.length > 0 ? line({ calls }) : "";
      const timings = timingsOf(meta, next.firstAt);
      const end = { done: true, done_reason: toDoneReason(event.reason), ...toMetrics(state.usage, timings) };
      return [{ ...state, open: false }, called + line({}, end)];
    }
    case "failed": {
      const error = event.failure.kind === "cancelled" ? "" : errorLine(event);
      return [{ ...state, open: false }, error];
    }
  }
}

function isContent({ type }: ChatEvent): boolean {
  return type === "text" || type === "thinking" || type === "refusal" || type === "tool_call";
}

function timingsOf(meta: AnswerMeta, firstAt: number | null) {
  if (!meta.now) return null;
  const totalMs = Math.max(0, meta.now() - meta.createdAt);
  return { totalMs, promptMs: firstAt === null ? null : Math.min(totalMs, Math.max(0, firstAt - meta.createdAt)) };
}

/** Without a `done` line after it: that would tell the client that the answer is whole. */
function errorLine(event: Extract<ChatEvent, { type: "failed" }>): string {
  return jsonLine(JSON.stringify(toErrorObject("ollama", event.failure, null)));
}
