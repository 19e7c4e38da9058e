import type { ChatEvent } from "../core/chat-event.ts";
import type { ChatRequest, Part } from "../core/chat-request.ts";

/** What requests are made of, as far as dialects differ in it. */
export const REQUEST_BLOCKS = [
  "text",
  "system",
  "thinking asked for",
  "thinking of earlier turns",
  "image, base64",
  "image, URL",
  "image in a tool result",
  "audio",
  "document",
  "tools",
  "tool calls",
  "parallel tool calls",
  "tool results",
  "failed tool results",
  "forced tool",
  "any tool",
  "no tool",
  "JSON",
  "JSON schema",
  "stop sequences",
  "log probabilities",
  "refusal of an earlier turn",
] as const;

export const ANSWER_BLOCKS = [
  "text",
  "thinking",
  "tool call",
  "parallel tool calls",
  "refusal",
  "log probabilities",
  "stop sequence",
  "length limit",
  "usage",
  "cached tokens",
] as const;

export type RequestBlock = (typeof REQUEST_BLOCKS)[number];
export type AnswerBlock = (typeof ANSWER_BLOCKS)[number];

export function blocksOfRequest(request: ChatRequest): Set<RequestBlock> {
  const found = new Set<RequestBlock>();
  for (const { role, parts } of request.messages) {
    if (role === "system") found.add("system");
    for (const part of parts) for (const block of blocksOfPart(part)) found.add(block);
    const calls = parts.filter(({ type }) => type === "tool_call").length;
    if (calls > 0) found.add("tool calls");
    if (calls > 1) found.add("parallel tool calls");
  }
  if (request.thinking?.enabled) found.add("thinking asked for");
  if (request.tools.length > 0) found.add("tools");
  if (request.toolChoice?.kind === "tool") found.add("forced tool");
  if (request.toolChoice?.kind === "required") found.add("any tool");
  if (request.toolChoice?.kind === "none") found.add("no tool");
  if (request.output.kind === "json") found.add("JSON");
  if (request.output.kind === "json_schema") found.add("JSON schema");
  if (request.stop.length > 0) found.add("stop sequences");
  if (request.logprobs) found.add("log probabilities");
  return found;
}

function blocksOfPart(part: Part): RequestBlock[] {
  switch (part.type) {
    case "text":
      return ["text"];
    case "image":
      return [part.source.kind === "url" ? "image, URL" : "image, base64"];
    case "audio":
      return ["audio"];
    case "document":
      return ["document"];
    case "thinking":
      return ["thinking of earlier turns"];
    case "refusal":
      return ["refusal of an earlier turn"];
    case "tool_call":
      return [];
    case "tool_result": {
      const images = part.content.some(({ type }) => type === "image");
      return [
        "tool results",
        ...(part.isError ? (["failed tool results"] as const) : []),
        ...(images ? (["image in a tool result"] as const) : []),
      ];
    }
  }
}

export function blocksOfAnswer(events: readonly ChatEvent[]): Set<AnswerBlock> {
  const found = new Set<AnswerBlock>();
  for (const event of events) {
    if (event.type === "text" || event.type === "thinking" || event.type === "refusal") found.add(event.type);
    if (event.type === "text" && event.logprobs) found.add("log probabilities");
    if (event.type === "tool_call") found.add(event.index > 0 ? "parallel tool calls" : "tool call");
    if (event.type === "usage") found.add("usage");
    if (event.type === "usage" && event.usage.cachedTokens > 0) found.add("cached tokens");
    if (event.type === "done" && event.reason === "length") found.add("length limit");
    // OpenAI's APIs know a refusal in text as an answer that a filter ended.
    if (event.type === "done" && (event.reason === "refusal" || event.reason === "content_filter"))
      found.add("refusal");
    if (event.type === "done" && event.stopSequence !== undefined) found.add("stop sequence");
  }
  return found;
}
