import type { TokenLogprob } from "../../core/chat-event.ts";
import type { JsonObject } from "../../core/chat-request.ts";
import { textContent, toLogprobs, type AnswerStyle } from "./answer.ts";
import type { InputState } from "./custom-input.ts";
import type { ToolName } from "./tools.ts";

/** An event of the stream without its number: its type, and its members as JSON text. */
export type WireEvent = readonly [type: string, members: string];

/** One content part of a message that is being written. */
export interface OpenPart {
  readonly type: "output_text" | "refusal";
  /** Both grow in place: for each token a copy of the state would cost as much as its event. */
  text: string;
  readonly logprobs: TokenLogprob[];
}

export interface OpenMessage {
  readonly kind: "message";
  readonly id: string;
  readonly outputIndex: number;
  readonly closed: readonly JsonObject[];
  readonly part: OpenPart;
}

export interface OpenReasoning {
  readonly kind: "reasoning";
  readonly id: string;
  readonly outputIndex: number;
  readonly text: string;
  readonly signature: string | null;
}

export interface OpenCall {
  readonly id: string;
  readonly outputIndex: number;
  readonly callId: string;
  readonly tool: ToolName;
  readonly json: string;
  readonly input: InputState;
}

export function added(outputIndex: number, item: JsonObject): WireEvent {
  return ["response.output_item.added", `"output_index":${outputIndex},"item":${JSON.stringify(item)}`];
}

export function partAdded(open: OpenMessage): WireEvent {
  const part = open.part.type === "refusal" ? { type: "refusal", refusal: "" } : textContent("", []);
  const members = `${place(open)},"content_index":${open.closed.length},"part":${JSON.stringify(part)}`;
  return ["response.content_part.added", members];
}

export function callDelta(call: OpenCall, text: string): WireEvent {
  const name = call.tool.custom ? "response.custom_tool_call_input.delta" : "response.function_call_arguments.delta";
  return [name, `${place(call)},"delta":${JSON.stringify(text)}`];
}

export function callDone(call: OpenCall, said: string): WireEvent {
  return call.tool.custom
    ? ["response.custom_tool_call_input.done", `${place(call)},"input":${JSON.stringify(said)}`]
    : ["response.function_call_arguments.done", `${place(call)},"arguments":${JSON.stringify(said)}`];
}

export function textDelta(open: OpenMessage, text: string, logprobs: readonly TokenLogprob[]): WireEvent {
  const at = `${place(open)},"content_index":${open.closed.length},"delta":${JSON.stringify(text)}`;
  if (open.part.type === "refusal") return ["response.refusal.delta", at];
  const written = logprobs.length === 0 ? "[]" : JSON.stringify(toLogprobs(logprobs));
  return ["response.output_text.delta", `${at},"logprobs":${written}`];
}

/** The part that is open, whole, and the events that close it. */
export function closePart(open: OpenMessage): readonly [JsonObject, readonly WireEvent[]] {
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

export function reasoningAdded(open: OpenReasoning, style: AnswerStyle): WireEvent {
  const at = `${place(open)},${partIndex(style)}`;
  return style.summarize
    ? ["response.reasoning_summary_part.added", `${at},"part":${summaryPart("")}`]
    : ["response.content_part.added", `${at},"part":${reasoningPart("")}`];
}

export function reasoningDelta(open: OpenReasoning, text: string, style: AnswerStyle): WireEvent {
  const name = style.summarize ? "response.reasoning_summary_text.delta" : "response.reasoning_text.delta";
  return [name, `${place(open)},${partIndex(style)},"delta":${JSON.stringify(text)}`];
}

export function reasoningDone(open: OpenReasoning, style: AnswerStyle): readonly WireEvent[] {
  const at = `${place(open)},${partIndex(style)}`;
  const text = JSON.stringify(open.text);
  return style.summarize
    ? [
        ["response.reasoning_summary_text.done", `${at},"text":${text}`],
        ["response.reasoning_summary_part.done", `${at},"part":${summaryPart(open.text)}`],
      ]
    : [
        ["response.reasoning_text.done", `${at},"text":${text}`],
        ["response.content_part.done", `${at},"part":${reasoningPart(open.text)}`],
      ];
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
