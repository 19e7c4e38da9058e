import type { ChatEvent, FinishReason, StreamDecoder, StreamEncoder } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import { NO_TOKENS, type TokenUsage } from "../../core/token-usage.ts";
import { later } from "../../wire/later.ts";
import {
  responsesStreamEvent,
  type OpenaiResponse,
  type ResponsesOutputItem,
  type ResponsesStreamEvent,
} from "../../wire/openai-responses-answer.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import type { SseFrame } from "../../wire/sse.ts";
import { eventFrame } from "../../wire/sse-write.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { withToolCalls } from "../finish-reason.ts";
import { errorText, failed, sseDecoder, tryJson } from "../sse-decoder.ts";
import { styleOf, toEnding, toResponse, toResponseError, type ResponseParts } from "./answer.ts";
import type { WireEvent } from "./open-items.ts";
import { isCall, openCall, restOf, textEvent, UNREAD, type ReadItem, type Said } from "./read-items.ts";
import { fromUsage } from "./usage.ts";
import { endItems, finishedItems, NO_ITEMS, stepItems, type ItemsState } from "./write-items.ts";

export interface DecoderState {
  readonly started: boolean;
  readonly refused: boolean;
  readonly calls: number;
  readonly items: ReadonlyMap<string, ReadItem>;
}

type Step = readonly [DecoderState, readonly ChatEvent[]];

export const INITIAL: DecoderState = { started: false, refused: false, calls: 0, items: new Map() };
const meant = later(
  (): ReadonlySet<string> => new Set(responsesStreamEvent().options.flatMap((one) => [...one.shape.type.values])),
);

export function decoder(): StreamDecoder {
  return sseDecoder({ initial: INITIAL, step: stepFrame, end: () => [failed("the answer ended early")] });
}

function stepFrame(state: DecoderState, frame: SseFrame): Step {
  // No part of this API, but some servers end all their streams with it.
  if (frame.data === "[DONE]") return [state, []];
  const json = tryJson(frame.data);
  if (!isJsonObject(json)) return [state, [failed("a frame of the answer is not JSON")]];
  const type = typeof json.type === "string" ? json.type : isJsonObject(json.error) ? "error" : "";
  if (!meant().has(type)) return [state, []];
  const event = responsesStreamEvent().safeParse({ ...json, type });
  if (!event.success) return [state, [failed("a frame of the answer has an unknown shape")]];
  return stepEvent(state, event.data);
}

function stepEvent(state: DecoderState, event: ResponsesStreamEvent): Step {
  switch (event.type) {
    case "error":
      return [state, [failed(errorText(event.error ?? event.message ?? "unknown error"))]];
    case "response.created":
    case "response.in_progress":
      return start(state, event.response);
    case "response.failed":
    case "response.completed":
    case "response.incomplete":
      return finishResponse(state, { ...event.response, status: event.type.slice("response.".length) });
    default: {
      const [begun, opening] = start(state, {});
      const [next, events] = stepContent(begun, event);
      return [next, opening.length > 0 ? [...opening, ...events] : events];
    }
  }
}

type Content = Exclude<ResponsesStreamEvent, { response: OpenaiResponse } | { type: "error" }>;

function stepContent(state: DecoderState, event: Content): Step {
  switch (event.type) {
    case "response.output_item.added":
      return openItem(state, placeOf(event, event.item.id), event.item);
    case "response.output_item.done":
      return closeItem(state, placeOf(event, event.item.id), event.item);
    default:
      return stepDelta(state, event);
  }
}

function start(state: DecoderState, { id, model }: OpenaiResponse): Step {
  if (state.started) return [state, []];
  const event: ChatEvent = { type: "start", ...(id ? { id } : {}), ...(model ? { model } : {}) };
  return [{ ...state, started: true }, [event]];
}

type Place = { readonly item_id?: string | null | undefined; readonly output_index?: number | null | undefined };

/** By index where there is one: some proxies give an item a new id with every event. */
function placeOf({ output_index: index, item_id }: Place, id?: string | null): string {
  return typeof index === "number" ? `#${index}` : (item_id ?? id ?? "");
}

function openItem(state: DecoderState, place: string, item: ResponsesOutputItem): Step {
  if (!isCall(item)) return [{ ...state, items: new Map(state.items).set(place, UNREAD) }, []];
  const event = openCall(item, state.calls);
  if (event.type === "tool_call" && event.name === "") {
    return [state, [failed("the answer has a tool call without a name")]];
  }
  const items = new Map(state.items).set(place, { ...UNREAD, call: state.calls });
  return [{ ...state, items, calls: state.calls + 1 }, [event]];
}

function closeItem(state: DecoderState, place: string, item: ResponsesOutputItem): Step {
  const [opened, events] = state.items.has(place) ? [state, []] : openItem(state, place, item);
  const rest = restOf(item, opened.items.get(place) ?? UNREAD);
  const refused = opened.refused || rest.some((event) => event.type === "refusal");
  return [{ ...opened, refused }, [...events, ...rest]];
}

type Delta = Extract<ResponsesStreamEvent, { type: `${string}.delta` } | { type: `${string}_part.added` }>;

function stepDelta(state: DecoderState, event: Delta): Step {
  const place = placeOf(event);
  const item = state.items.get(place) ?? UNREAD;
  const say = (what: Said, said: ChatEvent, more: Partial<ReadItem> = {}): Step => {
    if (item.said.includes(what)) return [state, [said]];
    const read = { ...item, ...more, said: [...item.said, what] };
    return [{ ...state, items: new Map(state.items).set(place, read) }, [said]];
  };
  switch (event.type) {
    case "response.reasoning_summary_part.added":
      return [state, item.thinkingFrom === SUMMARY && event.summary_index ? [{ type: "thinking", text: "\n\n" }] : []];
    case "response.custom_tool_call_input.delta":
      // Its text becomes JSON when it is whole.
      return [state, []];
    default:
  }
  if (event.delta === "") return [state, []];
  switch (event.type) {
    case "response.output_text.delta":
      return say("text", textEvent(event.delta, event.logprobs));
    case "response.refusal.delta": {
      const [next, events] = say("refusal", { type: "refusal", text: event.delta });
      return [next.refused ? next : { ...next, refused: true }, events];
    }
    case "response.function_call_arguments.delta":
      if (item.call === null) return [state, []];
      return say("arguments", { type: "tool_arguments", index: item.call, json: event.delta });
    default:
      if (item.thinkingFrom !== null && item.thinkingFrom !== event.type) return [state, []];
      return say("thinking", { type: "thinking", text: event.delta }, { thinkingFrom: event.type });
  }
}

const SUMMARY = "response.reasoning_summary_text.delta";

/** The end of a stream, or a whole answer. */
export function finishResponse(state: DecoderState, response: OpenaiResponse): Step {
  const { status, output, usage } = response;
  let [next, started] = start(state, response);
  if (status === "failed" || (response.error !== undefined && response.error !== null)) {
    return [next, [failed(errorText(response.error ?? "the engine gave the answer up"))]];
  }
  if (status !== "completed" && status !== "incomplete")
    return [next, [failed(`the answer is ${status ?? "unfinished"}`)]];
  const events = [...started];
  // A server that sent no item by itself has them all here.
  if (next.items.size === 0) {
    for (const [at, item] of (output ?? []).entries()) {
      const [closed, said] = closeItem(next, `#${at}`, item);
      next = closed;
      events.push(...said);
    }
  }
  if (usage) events.push({ type: "usage", usage: fromUsage(usage) });
  return [next, [...events, { type: "done", reason: toReason(next, response) }]];
}

function toReason(state: DecoderState, { status, incomplete_details: details }: OpenaiResponse): FinishReason {
  if (status === "incomplete") return details?.reason === "content_filter" ? "content_filter" : "length";
  return withToolCalls(state.refused && state.calls === 0 ? "refusal" : "stop", state.calls > 0);
}

/** An encoder that also says what the client was told, so that it can be kept under the same ids. */
export interface ResponsesEncoder extends StreamEncoder {
  /** The response as its last event had it; null before `done`. */
  readonly response: JsonObject | null;
}

export function encoder(meta: AnswerMeta): ResponsesEncoder {
  const style = styleOf(meta);
  let items: ItemsState = NO_ITEMS;
  let usage: TokenUsage | null = null;
  let opened = false;
  let closed = false;
  let refused = false;
  let sequence = 0;

  let response: JsonObject | null = null;

  const write = (parts: ResponseParts): string => {
    const whole = toResponse(meta, parts);
    if (parts.status === "completed" || parts.status === "incomplete") response = whole;
    return `"response":${JSON.stringify(whole)}`;
  };

  function frames(events: readonly WireEvent[]): string {
    let text = "";
    for (const [type, members] of events) {
      text += eventFrame(type, `{"type":"${type}","sequence_number":${sequence},${members}}`);
      sequence += 1;
    }
    return text;
  }

  function opening(): readonly WireEvent[] {
    if (opened) return [];
    opened = true;
    const written = write({ status: "in_progress", output: [], usage: null });
    return [
      ["response.created", written],
      ["response.in_progress", written],
    ];
  }

  function step(event: ChatEvent): readonly WireEvent[] {
    const [next, events] = stepItems(items, event, style);
    items = next;
    return events;
  }

  function end(event: Extract<ChatEvent, { type: "done" | "failed" }>): readonly WireEvent[] {
    closed = true;
    if (event.type === "failed") {
      // What is open stays open: a client must not take half a call for a whole one.
      const error = toResponseError(event.failure);
      const written = write({ status: "failed", error, output: finishedItems(items), usage });
      return [...opening(), ["response.failed", written]];
    }
    const { status, incompleteReason } = toEnding(event.reason, refused);
    const [next, events] = endItems(items, status, style);
    items = next;
    // Clients fail without usage here; where the engine told none, the estimates are better than zeros.
    const estimate = { ...NO_TOKENS, promptTokens: meta.promptTokensEstimate, completionTokens: items.fragments };
    const before = opening();
    const written = write({ status, incompleteReason, output: finishedItems(items), usage: usage ?? estimate });
    return [...before, ...events, [`response.${status}`, written]];
  }

  return {
    get response() {
      return response;
    },
    encode(event) {
      if (closed) return "";
      switch (event.type) {
        case "usage":
          ({ usage } = event);
          return "";
        case "failed":
          if (event.failure.kind === "cancelled") {
            closed = true;
            return "";
          }
          return frames(end(event));
        case "done":
          return frames(end(event));
        case "refusal":
          refused = true;
          return frames(opening()) + frames(step(event));
        default:
          return frames(opening()) + frames(step(event));
      }
    },
  };
}
