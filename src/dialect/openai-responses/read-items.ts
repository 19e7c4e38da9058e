import type { ChatEvent, TokenLogprob } from "../../core/chat-event.ts";
import type { ResponsesOutputItem } from "../../wire/openai-responses-answer.ts";
import type { TokenLogprobs } from "../../wire/token-logprobs.ts";
import { toCustomArguments } from "./custom-input.ts";

export type Said = "text" | "refusal" | "thinking" | "arguments";

/** An output item as far as it was read. */
export interface ReadItem {
  /** Number of the call; null: the item is none. */
  readonly call: number | null;
  /** What came in pieces already, and need not be taken from the whole. */
  readonly said: readonly Said[];
  /** Servers stream thinking under one of two names; a second one would say it twice. */
  readonly thinkingFrom: string | null;
}

export const UNREAD: ReadItem = { call: null, said: [], thinkingFrom: null };

export function isCall(item: ResponsesOutputItem): boolean {
  return item.type === "function_call" || item.type === "custom_tool_call";
}

export function openCall(item: ResponsesOutputItem, index: number): ChatEvent {
  return { type: "tool_call", index, id: item.call_id || item.id || `call_${index}`, name: item.name ?? "" };
}

/** What a finished item says beyond what its pieces said. */
export function restOf(item: ResponsesOutputItem, read: ReadItem): ChatEvent[] {
  const events: ChatEvent[] = [];
  const unsaid = (what: Said): boolean => !read.said.includes(what);
  switch (item.type) {
    case "message":
      for (const part of item.content ?? []) {
        if (part.refusal && unsaid("refusal")) events.push({ type: "refusal", text: part.refusal });
        if (part.text && unsaid("text")) events.push(textEvent(part.text, part.logprobs));
      }
      break;
    case "reasoning": {
      const shown = item.content?.length ? item.content : (item.summary ?? []);
      const text = shown.flatMap((one) => (one.text ? [one.text] : [])).join("\n\n");
      if (text !== "" && unsaid("thinking")) events.push({ type: "thinking", text });
      if (item.encrypted_content) events.push({ type: "thinking_signature", signature: item.encrypted_content });
      break;
    }
    case "function_call":
    case "custom_tool_call": {
      const json = item.type === "function_call" ? item.arguments : toCustomArguments(item.input ?? "");
      if (json && read.call !== null && unsaid("arguments")) {
        events.push({ type: "tool_arguments", index: read.call, json });
      }
    }
  }
  return events;
}

export function textEvent(text: string, logprobs: TokenLogprobs | null | undefined): ChatEvent {
  return { type: "text", text, ...(logprobs?.length ? { logprobs: fromLogprobs(logprobs) } : {}) };
}

function fromLogprobs(logprobs: TokenLogprobs): TokenLogprob[] {
  return logprobs.map(({ token, logprob, bytes, top_logprobs: top }) => ({
    token,
    logprob,
    bytes: bytes?.length ? bytes : null,
    top: (top ?? []).map((one) => ({
      token: one.token,
      logprob: one.logprob,
      bytes: one.bytes?.length ? one.bytes : null,
    })),
  }));
}
