import type { FinishReason, TokenLogprob } from "../../core/chat-event.ts";
import type { JsonObject, JsonValue } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import type { TokenUsage } from "../../core/token-usage.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { toErrorObject } from "../failure-shape.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import { tryJson } from "../sse-decoder.ts";
import { echoOf, toolsOf } from "./request-fields.ts";
import type { ToolName } from "./tools.ts";
import { toUsage } from "./usage.ts";

/** What all items of one answer need to know of its request. */
export interface AnswerStyle {
  /** Goes into the ids of items: an answer written twice has the same ids. */
  readonly idSeed: string;
  readonly names: ReadonlyMap<string, ToolName>;
  /** The client asked for summaries: thinking goes there, else into the item's own content. */
  readonly summarize: boolean;
}

export function styleOf(meta: AnswerMeta): AnswerStyle {
  const reasoning = meta.echo?.reasoning;
  const summary = typeof reasoning === "object" && reasoning !== null && "summary" in reasoning && reasoning.summary;
  return {
    idSeed: meta.id.replace(/^resp_/, ""),
    names: toolsOf(meta.echo).names,
    summarize: typeof summary === "string" && summary !== "none",
  };
}

export type ItemKind = "msg" | "rs" | "fc" | "ctc" | "tsc";

export function callKind(tool: ToolName): ItemKind {
  if (tool.search) return "tsc";
  return tool.custom ? "ctc" : "fc";
}

export function itemId(style: AnswerStyle, kind: ItemKind, outputIndex: number): string {
  return `${kind}_${style.idSeed}${outputIndex.toString(16).padStart(2, "0")}`;
}

export interface Ending {
  readonly status: "completed" | "incomplete";
  readonly incompleteReason: "max_output_tokens" | "content_filter" | null;
}

/** `refused`: a refusal stands in the answer and says it; one that came as text would look like any answer. */
export function toEnding(reason: FinishReason, refused: boolean): Ending {
  if (reason === "length") return { status: "incomplete", incompleteReason: "max_output_tokens" };
  if (reason === "content_filter" || (reason === "refusal" && !refused))
    return { status: "incomplete", incompleteReason: "content_filter" };
  return { status: "completed", incompleteReason: null };
}

export interface ResponseParts {
  readonly status: "in_progress" | "completed" | "incomplete" | "failed";
  readonly incompleteReason?: string | null;
  readonly error?: JsonObject | null;
  readonly output: readonly JsonObject[];
  readonly usage: TokenUsage | null;
}

/** The response object, as whole answers and the first and last events of a stream have it. */
export function toResponse(meta: AnswerMeta, parts: ResponseParts): JsonObject {
  const { status, incompleteReason, error, output, usage } = parts;
  return {
    id: meta.id,
    object: "response",
    created_at: Math.floor(meta.createdAt / 1000),
    status,
    error: error ?? null,
    incomplete_details: incompleteReason ? { reason: incompleteReason } : null,
    model: meta.model,
    output: [...output],
    usage: usage && toUsage(usage),
    ...(meta.echo ?? echoOf(null)),
  };
}

/** Clients act on the code: Codex compacts on `context_length_exceeded` and tries again on `server_error`. */
export function toResponseError(failure: Failure): JsonObject {
  const { error } = toErrorObject("openai", failure, null);
  const { message, type, code } = error as { message: string; type: string; code: string | null };
  return { code: type === "server_error" ? type : (code ?? "invalid_prompt"), message };
}

export function toLogprobs(logprobs: readonly TokenLogprob[]): JsonValue[] {
  const toToken = (one: TokenLogprob["top"][number]): JsonObject => ({
    token: one.token,
    logprob: one.logprob,
    bytes: [...(one.bytes ?? [])],
  });
  return logprobs.map((one) => ({ ...toToken(one), top_logprobs: one.top.map(toToken) }));
}

export function textContent(text: string, logprobs: readonly TokenLogprob[]): JsonObject {
  return { type: "output_text", text, annotations: [], logprobs: toLogprobs(logprobs) };
}

/** `text` goes where the client looks for it. */
export function reasoningItem(style: AnswerStyle, id: string, text: string, signature: string | null): JsonObject {
  return {
    id,
    type: "reasoning",
    summary: style.summarize && text !== "" ? [{ type: "summary_text", text }] : [],
    ...(style.summarize ? {} : { content: text === "" ? [] : [{ type: "reasoning_text", text }] }),
    // A vendor's proof of its thinking, for the client to bring back; nothing here reads it.
    ...(signature === null ? {} : { encrypted_content: signature }),
  };
}

export function messageItem(id: string, content: readonly JsonObject[], status: string): JsonObject {
  return { id, type: "message", status, role: "assistant", content: [...content] };
}

/** Codex calls a namespace's tool only by both of its names: the joined one, or no `namespace`, is "unsupported call". */
export function callItem(id: string, tool: ToolName, callId: string, said: string, status: string): JsonObject {
  const namespace = tool.namespace === undefined ? {} : { namespace: tool.namespace };
  if (tool.search) {
    const asked = tryJson(said);
    const search = isJsonObject(asked) ? asked : {};
    return { id, type: "tool_search_call", status, call_id: callId, execution: "client", arguments: search };
  }
  const call = { call_id: callId, name: tool.name, ...namespace };
  return tool.custom
    ? { id, type: "custom_tool_call", status, ...call, input: said }
    : { id, type: "function_call", status, ...call, arguments: said };
}
