import type { ChatEvent } from "../../core/chat-event.ts";
import type { OpenaiToolCallDelta } from "../../wire/openai-chat.ts";

/** A call being put together. `name` "" until the engine has told it; what comes before that waits in `early`. */
export interface GatheredCall {
  readonly wireIndex: number | null;
  readonly id: string;
  readonly name: string;
  readonly early: string;
  readonly hasArguments: boolean;
}

/**
 * Engines number parallel calls rightly, all 0, or not at all; give ids always, once or never; and split arguments,
 * send them whole, or as an object. A new id is a new call, whatever its index says.
 */
export function stepToolCall(
  calls: readonly GatheredCall[],
  delta: OpenaiToolCallDelta,
  idSeed: string,
): readonly [readonly GatheredCall[], readonly ChatEvent[]] {
  const given = delta.function?.arguments;
  const json = (typeof given === "object" && given !== null ? JSON.stringify(given) : given) ?? "";
  const name = delta.function?.name ?? "";
  let at = findCall(calls, delta);
  const next = [...calls];
  const events: ChatEvent[] = [];
  if (at < 0) {
    at = next.length;
    const id = delta.id || `call_${idSeed}_${at}`;
    next.push({ wireIndex: delta.index ?? null, id, name: "", early: "", hasArguments: false });
  }
  const call = next[at];
  if (!call) return [calls, []];
  if (call.name === "" && name === "") {
    next[at] = { ...call, early: call.early + json };
    return [next, events];
  }
  const text = call.name === "" ? call.early + json : json;
  if (call.name === "") events.push({ type: "tool_call", index: at, id: call.id, name });
  if (text !== "") events.push({ type: "tool_arguments", index: at, json: text });
  next[at] = { ...call, name: call.name || name, early: "", hasArguments: call.hasArguments || text !== "" };
  return [next, events];
}

function findCall(calls: readonly GatheredCall[], delta: OpenaiToolCallDelta): number {
  if (delta.id) {
    const known = calls.findIndex((call) => call.id === delta.id);
    if (known >= 0) return known;
    // An id that comes late belongs to the call that was opened without a name, else it is a new call's.
    const last = calls.at(-1);
    return last && last.name === "" && sameIndex(last, delta) ? calls.length - 1 : -1;
  }
  const at = calls.findLastIndex((call) => sameIndex(call, delta));
  const call = calls[at];
  // No ids at all: a name after arguments begins the next call.
  return call && delta.function?.name && call.hasArguments ? -1 : at;
}

function sameIndex(call: GatheredCall, delta: OpenaiToolCallDelta): boolean {
  return (delta.index ?? null) === null || call.wireIndex === null || call.wireIndex === delta.index;
}
