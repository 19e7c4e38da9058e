import type {
  DocumentPart,
  ImagePart,
  JsonObject,
  JsonValue,
  MediaSource,
  Message,
  Part,
  TextPart,
  ToolResultPart,
} from "../../core/chat-request.ts";
import { type AnthropicMessage, type AnthropicMessagesRequest, HOSTED_BLOCKS } from "../../wire/anthropic-messages.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import { tryJson } from "../sse-decoder.ts";
import { LOCAL_SIGNATURE } from "./signature.ts";
import { changeText, nowCallable } from "./tool-changes.ts";

type Content<Role extends AnthropicMessage["role"]> = Extract<AnthropicMessage, { role: Role }>["content"];
type UserBlock = Exclude<Content<"user">, string>[number];
type ResultBlock = Extract<UserBlock, { type: "tool_result" }>;
type HostedBlock = Extract<UserBlock, { type: (typeof HOSTED_BLOCKS)[number] }>;
type ResultContent = Exclude<NonNullable<ResultBlock["content"]>, string>[number];

export function parseSystem(system: AnthropicMessagesRequest["system"]): Message[] {
  const parts = textParts(system ?? "");
  return parts.length > 0 ? [{ role: "system", parts }] : [];
}

/** A user message's tool results come first, as a `tool` message; its other blocks follow as a user message. */
export function parseMessages(wire: readonly AnthropicMessage[]): Message[] {
  const messages: Message[] = [];
  const lastUser = wire.findLastIndex(({ role }) => role === "user");
  for (const [at, message] of wire.entries()) {
    switch (message.role) {
      case "system":
        if (message.clear_at === "next_user_message" && at < lastUser) break;
        messages.push(...unlessEmpty({ role: "system", parts: parseSystemContent(message.content) }, message.content));
        break;
      case "assistant":
        messages.push(...unlessEmpty({ role: "assistant", parts: parseAssistant(message.content) }, message.content));
        break;
      case "user": {
        const blocks = typeof message.content === "string" ? [] : message.content;
        const results = blocks.flatMap((block) => (block.type === "tool_result" ? [parseResult(block)] : []));
        const parts = typeof message.content === "string" ? textParts(message.content) : blocks.flatMap(parseUserBlock);
        if (results.length > 0) messages.push({ role: "tool", parts: results });
        if (parts.length > 0 || results.length === 0) messages.push({ role: "user", parts });
      }
    }
  }
  return messages;
}

/** A message of which nothing is left, because it held only what no engine knows. */
function unlessEmpty(message: Message, wire: AnthropicMessage["content"]): Message[] {
  return message.parts.length === 0 && wire !== "" && wire?.length !== 0 ? [] : [message];
}

function parseSystemContent(content: Content<"system">): TextPart[] {
  if (typeof content === "string") return textParts(content);
  return (content ?? []).flatMap((block) => {
    if (block.type === "text") return textParts([block]);
    const text = changeText(block);
    return text === null ? [] : textParts(text);
  });
}

function textParts(content: string | readonly { text: string }[]): TextPart[] {
  const texts = typeof content === "string" ? [content] : content.map((block) => block.text);
  return texts.filter((text) => text !== "").map((text) => ({ type: "text", text }));
}

function parseAssistant(content: Content<"assistant">): Part[] {
  if (typeof content === "string") return textParts(content);
  return content.flatMap((block): Part[] => {
    switch (block.type) {
      case "text":
        return textParts([block]);
      case "thinking": {
        const signed = block.signature && block.signature !== LOCAL_SIGNATURE ? { signature: block.signature } : {};
        return [{ type: "thinking", text: block.thinking, ...signed }];
      }
      case "redacted_thinking":
        return [{ type: "thinking", text: "", redacted: block.data }];
      case "tool_use":
        return [{ type: "tool_call", id: block.id, name: block.name, arguments: JSON.stringify(block.input) }];
      case "compaction":
        return textParts(block.content ?? "");
      default:
        return [];
    }
  });
}

function parseUserBlock(block: UserBlock): (TextPart | ImagePart | DocumentPart)[] {
  return block.type === "tool_result" || isHostedBlock(block) ? [] : parseContent(block);
}

function isHostedBlock(block: UserBlock): block is HostedBlock {
  return HOSTED_BLOCKS.some((type) => type === block.type);
}

function parseResult(block: ResultBlock): ToolResultPart {
  const { content } = block;
  const parts = typeof content === "string" ? textParts(content) : (content ?? []).flatMap(parseContent);
  return { type: "tool_result", callId: block.tool_use_id, content: parts, isError: block.is_error ?? false };
}

function parseContent(block: ResultContent): (TextPart | ImagePart | DocumentPart)[] {
  switch (block.type) {
    case "text":
      return textParts([block]);
    case "image":
      return [{ type: "image", source: parseSource(block.source) }];
    case "document": {
      const title = block.title ? { title: block.title } : {};
      return [{ type: "document", source: parseDocument(block.source), ...title }];
    }
    case "search_result": {
      const text = block.content.map((one) => one.text).join("\n");
      return [{ type: "document", source: { kind: "text", text }, title: `${block.title} (${block.source})` }];
    }
    case "tool_reference":
      return [{ type: "text", text: nowCallable(block.tool_name) }];
  }
}

type WireSource = Extract<ResultContent, { type: "image" }>["source"];

function parseSource(source: WireSource): MediaSource {
  if (source.type === "url") return { kind: "url", url: source.url };
  return { kind: "base64", mediaType: source.media_type, data: source.data };
}

function parseDocument(source: Extract<ResultContent, { type: "document" }>["source"]): DocumentPart["source"] {
  if (source.type === "text") return { kind: "text", text: source.data };
  if (source.type !== "content") return parseSource(source);
  const { content } = source;
  return { kind: "text", text: typeof content === "string" ? content : content.map((block) => block.text).join("\n") };
}

/** The leading system messages; later ones stay where they are. */
export function toSystem(messages: readonly Message[]): JsonObject {
  const blocks = messages.slice(0, leadingSystem(messages)).flatMap((message) => message.parts.flatMap(toBlock));
  return blocks.length > 0 ? { system: blocks } : {};
}

function leadingSystem(messages: readonly Message[]): number {
  const first = messages.findIndex((message) => message.role !== "system");
  return first < 0 ? messages.length : first;
}

/** All results of one turn go into one user message: the API wants each call answered by the very next message. */
export function toMessages(messages: readonly Message[]): JsonObject[] {
  const wire: JsonObject[] = [];
  let results: JsonObject[] | null = null;
  for (const message of messages.slice(leadingSystem(messages))) {
    const content = message.parts.flatMap(toBlock);
    if (message.role !== "tool") {
      results = null;
      wire.push({ role: message.role, content });
    } else if (results) {
      results.push(...content);
    } else {
      results = content;
      wire.push({ role: "user", content: results });
    }
  }
  return wire;
}

function toBlock(part: Part): JsonObject[] {
  switch (part.type) {
    case "text":
    case "refusal":
      return [{ type: "text", text: part.text }];
    case "image":
      return [{ type: "image", source: toSource(part.source) }];
    case "document":
      return [
        {
          type: "document",
          source:
            part.source.kind === "text"
              ? { type: "text", media_type: "text/plain", data: part.source.text }
              : toSource(part.source),
          ...(part.title === undefined ? {} : { title: part.title }),
        },
      ];
    case "thinking":
      if (part.redacted !== undefined) return [{ type: "redacted_thinking", data: part.redacted }];
      // The vendor refuses thinking that it did not sign.
      return part.signature === undefined ? [] : [{ type: "thinking", thinking: part.text, signature: part.signature }];
    case "tool_call":
      return [{ type: "tool_use", id: toCallId(part.id), name: part.name, input: toInput(part.arguments) }];
    case "tool_result":
      return [
        {
          type: "tool_result",
          tool_use_id: toCallId(part.callId),
          content: part.content.flatMap(toBlock),
          ...(part.isError ? { is_error: true } : {}),
        },
      ];
    case "audio":
      // No such block exists: the vendor refuses it by name, and `untranslatable` says so beforehand.
      return [{ type: "audio", source: { type: "base64", media_type: `audio/${part.format}`, data: part.data } }];
  }
}

function toSource(source: MediaSource): JsonObject {
  return source.kind === "url"
    ? { type: "url", url: source.url }
    : { type: "base64", media_type: source.mediaType, data: source.data };
}

/** Anthropic's ids know these characters only; calls and results change alike, so they still meet. */
export function toCallId(id: string): string {
  return id.replaceAll(/[^a-zA-Z0-9_-]/g, "_");
}

/** An input is an object. What a model wrote in another form is kept as text under a name that says so. */
export function toInput(argumentsText: string): JsonObject {
  const value = argumentsText.trim() === "" ? {} : tryJson(argumentsText);
  if (isJsonObject(value)) return value;
  return { unparsed_arguments: argumentsText } satisfies Record<string, JsonValue>;
}
