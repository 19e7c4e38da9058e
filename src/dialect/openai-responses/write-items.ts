import type { ChatEvent, TokenLogprob } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import { tryJson } from "../sse-decoder.ts";
import { callItem, callKind, itemId, messageItem, reasoningItem, type AnswerStyle, type ItemKind } from "./answer.ts";
import { endInput, NO_INPUT, stepInput } from "./custom-input.ts";
import {
  added,
  callDelta,
  callDone,
  closePart,
  partAdded,
  reasoningAdded,
  reasoningDelta,
  reasoningDone,
  textDelta,
  type OpenCall,
  type OpenMessage,
  type OpenPart,
  type OpenReasoning,
  type WireEvent,
} from "./open-items.ts";
import { clientName } from "./tools.ts";

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
  /** Pieces of content so far: about the output's tokens. */
  readonly fragments: number;
}

export const NO_ITEMS: ItemsState = {
  items: new Map(),
  nextIndex: 0,
  open: null,
  calls: new Map(),
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
      const delta = reasoningDelta(open, event.text, style);
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
  events.push(textDelta(open, text, logprobs));
  if (logprobs.length > 0) open.part.logprobs.push(...logprobs);
  open.part.text += text;
  return [{ ...next, fragments: next.fragments + 1 }, events];
}

function openReasoning(state: ItemsState, style: AnswerStyle): ItemsStep {
  if (state.open?.kind === "reasoning" && state.open.signature === null) return [state, []];
  const [begun, events] = begin(state, style, "rs");
  const open: OpenReasoning = { kind: "reasoning", ...begun.at, text: "", signature: null };
  const item = added(open.outputIndex, reasoningItem(style, open.id, "", null));
  return [{ ...begun.state, open }, [...events, item, reasoningAdded(open, style)]];
}

function openCall(state: ItemsState, event: Extract<ChatEvent, { type: "tool_call" }>, style: AnswerStyle): ItemsStep {
  const tool = clientName(style.names, event.name);
  const [begun, events] = begin(state, style, callKind(tool));
  const call: OpenCall = { ...begun.at, callId: event.id, tool, json: "", input: NO_INPUT };
  const calls = new Map(begun.state.calls).set(event.index, call);
  const item = callItem(call.id, tool, call.callId, "", "in_progress");
  return [{ ...begun.state, calls }, [...events, added(call.outputIndex, item)]];
}

function stepArguments(state: ItemsState, index: number, json: string): ItemsStep {
  const call = state.calls.get(index);
  // What follows whole arguments can only be white space.
  if (!call) return [state, []];
  const [input, text] = call.tool.custom ? stepInput(call.input, json) : [call.input, json];
  const calls = new Map(state.calls).set(index, { ...call, json: call.json + json, input });
  const next = { ...state, calls, fragments: state.fragments + 1 };
  return [next, text === "" || call.tool.search ? [] : [callDelta(call, text)]];
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
  const item = reasoningItem(style, open.id, open.text, open.signature);
  return finish({ ...state, open: null }, open, item, reasoningDone(open, style));
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
  // A search has no events for its arguments: they come with the item.
  if (missing !== "" && !call.tool.search) events.push(callDelta(call, missing));
  if (!call.tool.search) events.push(callDone(call, said));
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

function isWhole(json: string): boolean {
  return json.trimEnd().endsWith("}") && isJsonObject(tryJson(json));
}
