import type { JsonObject } from "../../core/chat-request.ts";

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

export type ChatTurn =
  | { readonly role: "system" | "user"; readonly text: string }
  | {
      readonly role: "assistant";
      readonly text: string;
      readonly thinking?: string;
      readonly toolCalls: readonly ToolCall[];
    }
  | { readonly role: "tool"; readonly callId: string; readonly text: string };

export interface Sampling {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly minP: number;
  /** A 32-bit number, chosen at random where the client gave none. */
  readonly seed: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  /** What is added to the logits of tokens. */
  readonly logitBias: ReadonlyMap<number, number>;
}

export interface ChatTool {
  readonly name: string;
  readonly parameters: JsonObject;
  /** As the client declared it, for the model's template. */
  readonly declaration: JsonObject;
}

export type ToolChoice =
  | { readonly kind: "none" | "auto" | "required" }
  | { readonly kind: "tool"; readonly name: string };

export interface ChatThinking {
  /** Null: as the model's template has it. */
  readonly enabled: boolean | null;
  /** Thinking is closed after so many tokens; null: whenever the model ends it. */
  readonly budgetTokens: number | null;
  /** False: it stays in the text, tags and all. */
  readonly apart: boolean;
  /** The fields of the request that asked for any of this: without bearing where the model does not think. */
  readonly fields: readonly string[];
  /** Values for the template by name: `chat_template_kwargs`, `reasoning_effort`. */
  readonly templateValues: JsonObject;
}

export interface ChatCall {
  /** As asked for; the answer carries it back. */
  readonly model: string | null;
  readonly turns: readonly ChatTurn[];
  readonly tools: readonly ChatTool[];
  readonly toolChoice: ToolChoice;
  readonly parallelToolCalls: boolean;
  /** The answer must be JSON that satisfies it; null: free. */
  readonly schema: JsonObject | null;
  /** GBNF for the whole answer; null: none given. */
  readonly grammar: string | null;
  /** So many alternatives beside each token's own log probability; null: none at all. */
  readonly logprobs: number | null;
  readonly thinking: ChatThinking;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Null: up to the end of the window. */
  readonly maxTokens: number | null;
  readonly stop: readonly string[];
  readonly sampling: Sampling;
  /** Fields that were understood by nobody here; the answer names them. */
  readonly ignored: readonly string[];
}
