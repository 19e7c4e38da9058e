/** The one vocabulary between all dialects. Fields that a client left out stay absent: nothing is defaulted here. */

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = { [key: string]: JsonValue };

export type MediaSource =
  | { readonly kind: "base64"; readonly mediaType: string; readonly data: string }
  | { readonly kind: "url"; readonly url: string };

export type TextPart = { readonly type: "text"; readonly text: string };
export type ImagePart = {
  readonly type: "image";
  readonly source: MediaSource;
  readonly detail?: "auto" | "low" | "high";
};
/** `format` is the container's short name: `wav`, `mp3`, … */
export type AudioPart = { readonly type: "audio"; readonly format: string; readonly data: string };
export type DocumentPart = {
  readonly type: "document";
  readonly source: MediaSource | { readonly kind: "text"; readonly text: string };
  readonly title?: string;
};
/** Thinking of an earlier turn. A `signature` is a vendor's proof; `redacted` is a vendor's encrypted thinking. */
export type ThinkingPart = {
  readonly type: "thinking";
  readonly text: string;
  readonly signature?: string;
  readonly redacted?: string;
};
/** `arguments` is JSON text, exactly as the model wrote it. */
export type ToolCallPart = {
  readonly type: "tool_call";
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
};
export type ToolResultPart = {
  readonly type: "tool_result";
  readonly callId: string;
  readonly content: readonly (TextPart | ImagePart | DocumentPart)[];
  readonly isError: boolean;
};
export type RefusalPart = { readonly type: "refusal"; readonly text: string };

export type Part =
  | TextPart
  | ImagePart
  | AudioPart
  | DocumentPart
  | ThinkingPart
  | ToolCallPart
  | ToolResultPart
  | RefusalPart;

/** A `tool` message holds tool results only, and comes straight after the assistant message that called. */
export type Message = {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly parts: readonly Part[];
  readonly name?: string;
};

export type Tool = {
  readonly name: string;
  readonly description?: string;
  /** A JSON schema of type object. */
  readonly parameters: JsonObject;
  readonly strict?: boolean;
};

export type ToolChoice =
  | { readonly kind: "auto" }
  | { readonly kind: "none" }
  | { readonly kind: "required" }
  | { readonly kind: "tool"; readonly name: string };

export type OutputFormat =
  | { readonly kind: "text" }
  | { readonly kind: "json" }
  | { readonly kind: "json_schema"; readonly name: string; readonly schema: JsonObject; readonly strict?: boolean };

export type Sampling = {
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly minP?: number;
  readonly seed?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
};

export type Thinking = {
  readonly enabled: boolean;
  readonly budgetTokens?: number;
  readonly effort?: string;
  /** `omitted`: the client wants to know that it thinks, not what. */
  readonly display?: "omitted" | "shown";
};

export interface ChatRequest {
  /** The name that the client asked for; answers carry it back. */
  readonly model: string;
  readonly messages: readonly Message[];
  readonly stream: boolean;
  /** Only for streams: the client wants the closing usage report (`stream_options.include_usage`). */
  readonly includeUsage: boolean;
  readonly maxOutputTokens?: number;
  readonly stop: readonly string[];
  readonly sampling: Sampling;
  readonly tools: readonly Tool[];
  readonly toolChoice?: ToolChoice;
  readonly parallelToolCalls?: boolean;
  readonly output: OutputFormat;
  /** Absent: no log probabilities. `top` alternatives for each token. */
  readonly logprobs?: { readonly top: number };
  readonly thinking?: Thinking;
  /** What the client names its end user or session, for stickiness. */
  readonly user?: string;
  readonly cacheKey?: string;
}
