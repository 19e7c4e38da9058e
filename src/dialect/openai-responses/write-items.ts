import type { ChatEvent, TokenLogprob } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import { tryJson } from "../sse-decoder.ts";
import {
  callItem,
  itemId,
  messageItem,
  reasoningItem,
  textContent,
  toLogprobs,
  type AnswerStyle,
  type ItemKind,
} from "./answer.ts";
import { endInput, NO_INPUT, stepInput, type InputState } from "./custom-input.ts";
import { clientName, type ToolName } from "./tools.ts";

/** An event of the stream without its number: its type, and its members as JSON text. */
export type WireEvent = readonly [type: string, members: string];

/** One content part of a message that is being written. */
interface OpenPart {
  readonly type: "output_text" | "refusal";
  readonly text: string;
  readonly logprobs: readonly TokenLogprob[];
}

interface OpenMessage {
  readonly kind: "message";
  readonly id: string;
  readonly outputIndex: number;
  readonly closed: readonly JsonObject[];
  readonly part: OpenPart;
}

interface OpenReasoning {
  readonly kind: "reasoning";
  readonly id: string;
  readonly outputIndex: number;
  readonly text: string;
  readonly signature: string | null;
}

interface OpenCall {
  readonly id: string;
  readonly outputIndex: number;
  readonly callId: string;
  readonly tool: ToolName;
  readonly json: string;
  readonly input: InputState;
}

/**
 * A message or a thinking item is closed before the next item begins. Calls stay open side by side, since engines may
 * write them in turns; each is closed when something else begins and its arguments are whole, so that a client runs it
 * while the model is still writing.
 */
export interface ItemsState {
  readonly items: ReadonlyMap<number, JsonObject>;
  readonly nextIndex: number;
  readonly open: OpenMessage | OpenReasoning | null;
  readonly calls: ReadonlyMap<number, OpenCall>;
  readonly called: boolean;
  /** Pieces of content so far: about the output's tokens. */
  readonly fragments: number;
}

export const NO_ITEMS: ItemsState = {
  items: new Map(),
  nextIndex: 0,
  open: null,
  calls: new Map(),
  called: false,
  fragments: 0,
};

export type ItemsStep = readonly [ItemsState, readonly WireEvent[]];
type Status = "completed" | "incomplete";

/** The finished items in the order of the output. */
export function finishedItems(state: ItemsState): JsonObject[] {
  return [...state.items.entries()].sort(([a], [b]) => a - b).map(([, item]) => item);
}

/** Takes content events; others change nothing. */
export function stepItems(state: ItemsState, event: ChatEvent, style: AnswerStyle): ItemsStep {
  switch (event.type) {
    case "text":
      return stepText(state, "output_text", event.text, event.logprobs ?? [], style);
    case "refusal":
      return stepText(state, "refusal", event.text, [], style);
    case "thinking": {
      const [opened, events] = openReasoning(state, style);
      const open = opened.open as OpenReasoning;
      const name = style.summarize ? "response.reasoning_summary_text.delta" : "response.reasoning_text.delta";
      const delta: WireEvent = [name, `${place(open)},${partIndex(style)},"delta":${JSON.stringify(event.text)}`];
      const next = { ...opened, open: { ...open, text: open.text + event.text }, fragments: opened.fragments + 1 };
      return [next, [...events, delta]];
    }
    case "thinking_signature": {
      const [opened, events] = openReasoning(state, style);
      const open = opened.open as OpenReasoning;
      return [{ ...opened, open: { ...open, signature: event.signature } }, events];
    }
    case "tool_call":
      return openCall(state, event, style);
    case "tool_arguments":
      return stepArguments(state, event.index, event.json);
    default:
      return [state, []];
  }
}

/** Closes all that is open. What was cut off is `incomplete`. */
export function endItems(state: ItemsState, status: Status, style: AnswerStyle): ItemsStep {
  let [next, events] = closeOpen(state, status, style);
  for (const [index, call] of next.calls) {
    const [closed, more] = closeCall(next, index, call, isWhole(call.json) ? "completed" : status);
    next = closed;
    events = [...events, ...more];
  }
  return [next, events];
}

function stepText(
  state: ItemsState,
  type: OpenPart["type"],
  text: string,
  logprobs: readonly TokenLogprob[],
  style: AnswerStyle,
): ItemsStep {
  let next = state;
  const events: WireEvent[] = [];
  if (next.open?.kind !== "message") {
    const [begun, more] = begin(next, style, "msg");
    const open: OpenMessage = { kind: "message", ...begun.at, closed: [], part: { type, text: "", logprobs: [] } };
    events.push(...more, added(open.outputIndex, messageItem(open.id, [], "in_progress")), partAdded(open));
    next = { ...begun.state, open };
  } else if (next.open.part.type !== type) {
    const [part, done] = closePart(next.open);
    const open: OpenMessage = {
      ...next.open,
      closed: [...next.open.closed, part],
      part: { type, text: "", logprobs: [] },
    };
    events.push(...done, partAdded(open));
    next = { ...next, open };
  }
  const open = next.open as OpenMessage;
  const probabilities = type === "output_text" ? `,"logprobs":${JSON.stringify(toLogprobs(logprobs))}` : "";
  const members = `${place(open)},"content_index":${open.closed.length},"delta":${JSON.stringify(text)}${probabilities}`;
  events.push([`response.${type}.delta`, members]);
  const part: OpenPart = {
    type,
    text: open.part.text + text,
    logprobs: logprobs.length > 0 ? [...open.part.logprobs, ...logprobs] : open.part.logprobs,
  };
  return [{ ...next, open: { ...open, part }, fragments: next.fragments + 1 }, events];
}

function openReasoning(state: ItemsState, style: AnswerStyle): ItemsStep {
  if (state.open?.kind === "reasoning" && state.open.signature === null) return [state, []];
  const [begun, events] = begin(state, style, "rs");
  const open: OpenReasoning = { kind: "reasoning", ...begun.at, text: "", signature: null };
  const part: WireEvent = style.summarize
    ? ["response.reasoning_summary_part.added", `${place(open)},${partIndex(style)},"part":${summaryPart("")}`]
    : ["response.content_part.added", `${place(open)},${partIndex(style)},"part":${reasoningPart("")}`];
  const item = added(open.outputIndex, reasoningItem(style, open.id, "", null));
  return [{ ...begun.state, open }, [...events, item, part]];
}

function openCall(state: ItemsState, event: Extract<ChatEvent, { type: "tool_call" }>, style: AnswerStyle): ItemsStep {
  const tool = clientName(style.names, event.name);
  const [begun, events] = begin(state, style, tool.custom ? "ctc" : "fc");
  const call: OpenCall = { ...begun.at, callId: event.id, tool, json: "", input: NO_INPUT };
  const calls = new Map(begun.state.calls).set(event.index, call);
  const item = callItem(call.id, tool, call.callId, "", "in_progress");
  return [{ ...begun.state, calls, called: true }, [...events, added(call.outputIndex, item)]];
}

function stepArguments(state: ItemsState, index: number, json: string): ItemsStep {
  const call = state.calls.get(index);
  // What follows whole arguments can only be white space.
  if (!call) return [state, []];
  const [input, text] = call.tool.custom ? stepInput(call.input, json) : [call.input, json];
  const calls = new Map(state.calls).set(index, { ...call, json: call.json + json, input });
  const next = { ...state, calls, fragments: state.fragments + 1 };
  return [next, text === "" ? [] : [callDelta(call, text)]];
}

/** Closes what can be closed, and gives the next item its place. */
function begin(
  state: ItemsState,
  style: AnswerStyle,
  kind: ItemKind,
): readonly [{ readonly state: ItemsState; readonly at: { id: string; outputIndex: number } }, readonly WireEvent[]] {
  let [next, events] = closeOpen(state, "completed", style);
  for (const [index, call] of next.calls) {
    if (!isWhole(call.json)) continue;
    const [closed, more] = closeCall(next, index, call, "completed");
    next = closed;
    events = [...events, ...more];
  }
  const outputIndex = next.nextIndex;
  const at = { id: itemId(style, kind, outputIndex), outputIndex };
  return [{ state: { ...next, nextIndex: outputIndex + 1 }, at }, events];
}

function closeOpen(state: ItemsState, status: Status, style: AnswerStyle): ItemsStep {
  const { open } = state;
  if (!open) return [state, []];
  if (open.kind === "message") {
    const [part, events] = closePart(open);
    return finish({ ...state, open: null }, open, messageItem(open.id, [...open.closed, part], status), events);
  }
  const at = `${place(open)},${partIndex(style)}`;
  const text = JSON.stringify(open.text);
  const events: WireEvent[] = style.summarize
    ? [
        ["response.reasoning_summary_text.done", `${at},"text":${text}`],
        ["response.reasoning_summary_part.done", `${at},"part":${summaryPart(open.text)}`],
      ]
    : [
        ["response.reasoning_text.done", `${at},"text":${text}`],
        ["response.content_part.done", `${at},"part":${reasoningPart(open.text)}`],
      ];
  return finish({ ...state, open: null }, open, reasoningItem(style, open.id, open.text, open.signature), events);
}

function closePart(open: OpenMessage): readonly [JsonObject, readonly WireEvent[]] {
  const { type, text, logprobs } = open.part;
  const at = `${place(open)},"content_index":${open.closed.length}`;
  const part: JsonObject = type === "refusal" ? { type, refusal: text } : textContent(text, logprobs);
  const whole =
    type === "refusal"
      ? `"refusal":${JSON.stringify(text)}`
      : `"text":${JSON.stringify(text)},"logprobs":${JSON.stringify(toLogprobs(logprobs))}`;
  return [
    part,
    [
      [`response.${type}.done`, `${at},${whole}`],
      ["response.content_part.done", `${at},"part":${JSON.stringify(part)}`],
    ],
  ];
}

function closeCall(state: ItemsState, index: number, call: OpenCall, status: Status): ItemsStep {
  const events: WireEvent[] = [];
  let said = call.json;
  let missing = "";
  if (call.tool.custom) {
    ({ input: said, missing } = endInput(call.input));
  } else if (said.trim() === "" && status === "completed") {
    // Clients parse the arguments: a call without any must still be JSON.
    said = missing = "{}";
  }
  if (missing !== "") events.push(callDelta(call, missing));
  const name = call.tool.custom ? "response.custom_tool_call_input.done" : "response.function_call_arguments.done";
  const member = call.tool.custom ? "input" : "arguments";
  events.push([name, `${place(call)},"${member}":${JSON.stringify(said)}`]);
  const calls = new Map(state.calls);
  calls.delete(index);
  return finish({ ...state, calls }, call, callItem(call.id, call.tool, call.callId, said, status), events);
}

function finish(
  state: ItemsState,
  { outputIndex }: { readonly outputIndex: number },
  item: JsonObject,
  events: readonly WireEvent[],
): ItemsStep {
  const done: WireEvent = ["response.output_item.done", `"output_index":${outputIndex},"item":${JSON.stringify(item)}`];
  return [{ ...state, items: new Map(state.items).set(outputIndex, item) }, [...events, done]];
}

function added(outputIndex: number, item: JsonObject): WireEvent {
  return ["response.output_item.added", `"output_index":${outputIndex},"item":${JSON.stringify(item)}`];
}

function partAdded(open: OpenMessage): WireEvent {
  const part = open.part.type === "refusal" ? { type: "refusal", refusal: "" } : textContent("", []);
  const members = `${place(open)},"content_index":${open.closed.length},"part":${JSON.stringify(part)}`;
  return ["response.content_part.added", members];
}

function callDelta(call: OpenCall, text: string): WireEvent {
  const name = call.tool.custom ? "response.custom_tool_call_input.delta" : "response.function_call_arguments.delta";
  return [name, `${place(call)},"delta":${JSON.stringify(text)}`];
}

function place({ id, outputIndex }: { readonly id: string; readonly outputIndex: number }): string {
  return `"item_id":"${id}","output_index":${outputIndex}`;
}

function partIndex(style: AnswerStyle): string {
  return style.summarize ? '"summary_index":0' : '"content_index":0';
}

function summaryPart(text: string): string {
  return JSON.stringify({ type: "summary_text", text });
}

function reasoningPart(text: string): string {
  return JSON.stringify({ type: "reasoning_text", text });
}

function isWhole(json: string): boolean {
  return json.trimEnd().endsWith("}") && isJsonObject(tryJson(json));
}
