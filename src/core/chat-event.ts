import type { Failure } from "./failure.ts";
import type { TokenUsage } from "./token-usage.ts";

export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "stop_sequence" | "refusal";

export type TokenLogprob = {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[] | null;
  readonly top: readonly {
    readonly token: string;
    readonly logprob: number;
    readonly bytes: readonly number[] | null;
  }[];
};

/**
 * What an engine says, in order: at most one `start`; then content; then at most one `usage`; then exactly one `done`
 * or `failed`, after which nothing comes. `usage` may come before `done` only, never after.
 * Tool calls: `tool_call` opens call `index` (0, 1, …, each once), `tool_arguments` adds JSON text to it; calls may
 * interleave with each other by `index`. Fragments may be empty never.
 */
export type ChatEvent =
  | { readonly type: "start"; readonly id?: string; readonly model?: string }
  | { readonly type: "text"; readonly text: string; readonly logprobs?: readonly TokenLogprob[] }
  | { readonly type: "thinking"; readonly text: string }
  | { readonly type: "thinking_signature"; readonly signature: string }
  | { readonly type: "refusal"; readonly text: string }
  | { readonly type: "tool_call"; readonly index: number; readonly id: string; readonly name: string }
  | { readonly type: "tool_arguments"; readonly index: number; readonly json: string }
  | { readonly type: "usage"; readonly usage: TokenUsage }
  | { readonly type: "done"; readonly reason: FinishReason; readonly stopSequence?: string }
  | { readonly type: "failed"; readonly failure: Failure };

/** Bytes in, events out. Stateful: one decoder for one answer. Any split of the bytes gives the same events. */
export interface StreamDecoder {
  push(bytes: Uint8Array): ChatEvent[];
  /** The stream closed. Gives the missing `done` or `failed`; empty when one was given already. */
  end(): ChatEvent[];
}

/** Events in, the text of whole frames out ("" where an event needs none). Stateful: one encoder for one answer. */
export interface StreamEncoder {
  encode(event: ChatEvent): string;
}
