import type { ChatEvent } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import { eventFrame } from "../../wire/sse-write.ts";
import { tryJson } from "../sse-decoder.ts";
import { toCallId } from "./messages.ts";
import { LOCAL_SIGNATURE } from "./signature.ts";

type Block =
  | { readonly kind: "text" }
  | { readonly kind: "thinking"; readonly signed: boolean }
  | { readonly kind: "tool"; readonly call: number; readonly json: string };

/**
 * Anthropic's streams have one block open at a time, each closed before the next begins; a client loses the answer
 * otherwise. Parallel calls whose arguments interleave therefore wait in `held` until the open one is whole.
 */
export interface BlockState {
  readonly open: Block | null;
  readonly nextIndex: number;
  readonly held: readonly ChatEvent[];
  readonly called: boolean;
  /** Pieces of content so far: about the output's tokens. */
  readonly fragments: number;
}

export const NO_BLOCKS: BlockState = { open: null, nextIndex: 0, held: [], called: false, fragments: 0 };

export type BlockStep = readonly [BlockState, string];

const PING = eventFrame("ping", '{"type":"ping"}');

/** Takes content events; gives frames for others none. */
export function stepBlock(state: BlockState, event: ChatEvent, omitThinking: boolean): BlockStep {
  const { open } = state;
  if (open?.kind === "tool") {
    if (event.type === "tool_arguments" && event.index === open.call) {
      const frames = deltaFrame(state, { type: "input_json_delta", partial_json: event.json });
      const next = { ...state, open: { ...open, json: open.json + event.json }, fragments: state.fragments + 1 };
      if (next.held.length === 0 || !isWhole(next.open.json)) return [next, frames];
      const [after, replayed] = replay(next, omitThinking);
      return [after, frames + replayed];
    }
    // Without this the rest of the open call's arguments would have no block to go to.
    if (!isWhole(open.json)) return [{ ...state, held: [...state.held, event] }, ""];
  }
  switch (event.type) {
    case "text":
    case "refusal": {
      const [next, frames] = ensure(state, "text", { type: "text", text: "" });
      return counted(next, frames + deltaFrame(next, { type: "text_delta", text: event.text }));
    }
    case "thinking": {
      const [next, frames] = ensure(state, "thinking", { type: "thinking", thinking: "", signature: "" });
      // Nothing is shown, but the stream must not fall silent while the model thinks.
      const delta = omitThinking ? PING : deltaFrame(next, { type: "thinking_delta", thinking: event.text });
      return counted(next, frames + delta);
    }
    case "thinking_signature": {
      const [next, frames] = ensure(state, "thinking", { type: "thinking", thinking: "", signature: "" });
      const delta = deltaFrame(next, { type: "signature_delta", signature: event.signature });
      return [{ ...next, open: { kind: "thinking", signed: true } }, frames + delta];
    }
    case "tool_call": {
      const [closed, frames] = closeBlock(state);
      const block: Block = { kind: "tool", call: event.index, json: "" };
      const content = { type: "tool_use", id: toCallId(event.id), name: event.name, input: {} };
      return [{ ...closed, open: block, called: true }, frames + startFrame(closed, content)];
    }
    default:
      return [state, ""];
  }
}

/** Everything that waits, in blocks of its own, and the last block closed. */
export function endBlocks(state: BlockState, omitThinking: boolean): BlockStep {
  let [next, frames] = closeBlock(state);
  while (next.held.length > 0) {
    const [replayed, more] = replay(next, omitThinking);
    const [closed, end] = closeBlock(replayed);
    next = closed;
    frames += more + end;
  }
  return [next, frames];
}

function replay(state: BlockState, omitThinking: boolean): BlockStep {
  let next: BlockState = { ...state, held: [] };
  let frames = "";
  for (const event of state.held) {
    const [stepped, more] = stepBlock(next, event, omitThinking);
    next = stepped;
    frames += more;
  }
  return [next, frames];
}

/** Opens a block of this kind unless one is open that can still grow. */
function ensure(state: BlockState, kind: "text" | "thinking", content: JsonObject): BlockStep {
  const { open } = state;
  if (open?.kind === kind && !(open.kind === "thinking" && open.signed)) return [state, ""];
  const [closed, frames] = closeBlock(state);
  const block: Block = kind === "text" ? { kind } : { kind, signed: false };
  return [{ ...closed, open: block }, frames + startFrame(closed, content)];
}

function closeBlock(state: BlockState): BlockStep {
  const { open, nextIndex } = state;
  if (!open) return [state, ""];
  const unsigned = open.kind === "thinking" && !open.signed;
  const signature = unsigned ? deltaFrame(state, { type: "signature_delta", signature: LOCAL_SIGNATURE }) : "";
  const stop = eventFrame("content_block_stop", `{"type":"content_block_stop","index":${nextIndex}}`);
  return [{ ...state, open: null, nextIndex: nextIndex + 1 }, signature + stop];
}

function counted(state: BlockState, frames: string): BlockStep {
  return [{ ...state, fragments: state.fragments + 1 }, frames];
}

function startFrame(state: BlockState, content: JsonObject): string {
  const block = JSON.stringify(content);
  return eventFrame(
    "content_block_start",
    `{"type":"content_block_start","index":${state.nextIndex},"content_block":${block}}`,
  );
}

function deltaFrame(state: BlockState, delta: JsonObject): string {
  const json = `{"type":"content_block_delta","index":${state.nextIndex},"delta":${JSON.stringify(delta)}}`;
  return eventFrame("content_block_delta", json);
}

function isWhole(json: string): boolean {
  return json !== "" && tryJson(json) !== undefined;
}
