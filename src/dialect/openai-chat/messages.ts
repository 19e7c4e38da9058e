import type {
  AudioPart,
  DocumentPart,
  ImagePart,
  JsonObject,
  MediaSource,
  Message,
  Part,
  TextPart,
  ToolResultPart,
} from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { OpenaiMessage } from "../../wire/openai-chat.ts";

type UserPart = Exclude<Extract<OpenaiMessage, { role: "user" }>["content"], string>[number];

/** Consecutive `tool` messages answer one assistant message and become one; all others stay as they are. */
export function parseMessages(wire: readonly OpenaiMessage[]): Result<Message[], Failure> {
  const messages: Message[] = [];
  let results: ToolResultPart[] | null = null;
  for (const [at, message] of wire.entries()) {
    if (message.role === "tool") {
      if (!results) messages.push({ role: "tool", parts: (results = []) });
      const content = partsOf(message.content, (part) =>
        part.type === "text" ? textPart(part.text) : imagePart(part),
      );
      results.push({ type: "tool_result", callId: message.tool_call_id, content, isError: false });
      continue;
    }
    results = null;
    const name = typeof message.name === "string" ? { name: message.name } : {};
    switch (message.role) {
      case "system":
      case "developer":
        messages.push({ role: "system", parts: partsOf(message.content, (part) => textPart(part.text)), ...name });
        break;
      case "assistant":
        messages.push({ role: "assistant", parts: parseAssistant(message), ...name });
        break;
      case "user": {
        const parts = partsOf(message.content, parseUserPart);
        const missing = parts.indexOf(null);
        if (missing >= 0) return err(noFile(`messages[${at}].content[${missing}].file`));
        messages.push({ role: "user", parts: parts.filter((part) => part !== null), ...name });
      }
    }
  }
  return ok(messages);
}

function partsOf<W, P>(content: string | readonly W[] | null | undefined, parse: (part: W) => P): (P | TextPart)[] {
  if (typeof content === "string") return content === "" ? [] : [textPart(content)];
  return content ? content.map(parse) : [];
}

function textPart(text: string): TextPart {
  return { type: "text", text };
}

function parseAssistant(message: Extract<OpenaiMessage, { role: "assistant" }>): Part[] {
  const thinking = message.reasoning_content ?? message.reasoning;
  const parts: Part[] = thinking ? [{ type: "thinking", text: thinking }] : [];
  parts.push(
    ...partsOf(message.content, (part): Part =>
      part.type === "text" ? textPart(part.text) : { type: "refusal", text: part.refusal },
    ),
  );
  if (message.refusal) parts.push({ type: "refusal", text: message.refusal });
  for (const { id, function: call } of message.tool_calls ?? []) {
    const text = typeof call.arguments === "object" ? JSON.stringify(call.arguments ?? {}) : call.arguments;
    parts.push({ type: "tool_call", id, name: call.name, arguments: text || "{}" });
  }
  return parts;
}

/** Null: a file that has no bytes. */
function parseUserPart(part: UserPart): TextPart | ImagePart | AudioPart | DocumentPart | null {
  switch (part.type) {
    case "text":
      return textPart(part.text);
    case "image_url":
      return imagePart(part);
    case "input_audio":
      return { type: "audio", format: part.input_audio.format, data: part.input_audio.data };
    case "file": {
      if (!part.file.file_data) return null;
      const title = part.file.filename ? { title: part.file.filename } : {};
      return { type: "document", source: parseSource(part.file.file_data), ...title };
    }
  }
}

function imagePart(part: Extract<UserPart, { type: "image_url" }>): ImagePart {
  const { url, detail } = part.image_url;
  return { type: "image", source: parseSource(url), ...(detail ? { detail } : {}) };
}

function parseSource(url: string): MediaSource {
  const match = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i.exec(url.slice(0, 256));
  if (!match) return { kind: "url", url };
  return { kind: "base64", mediaType: match[1] || "application/octet-stream", data: url.slice(match[0].length) };
}

function toUrl(source: MediaSource): string {
  return source.kind === "url" ? source.url : `data:${source.mediaType};base64,${source.data}`;
}

function noFile(field: string): Failure {
  const message = `${field}: uploaded files are not kept here; send the file's bytes as file_data`;
  return { kind: "invalid_request", field, message };
}

/**
 * A `tool` message can hold text only, and nothing may come between the tool messages of one turn: images and
 * documents of results wait, and lead the next user message.
 */
export function toMessages(messages: readonly Message[]): JsonObject[] {
  const wire: JsonObject[] = [];
  let waiting: JsonObject[] = [];
  for (const message of messages) {
    if (message.role === "tool") {
      for (const part of message.parts) {
        if (part.type === "tool_result") wire.push(toToolMessage(part, waiting));
      }
      continue;
    }
    const name = message.name === undefined ? {} : { name: message.name };
    if (message.role === "user") {
      wire.push({ role: "user", content: toContent([...waiting, ...message.parts.flatMap(toContentPart)]), ...name });
      waiting = [];
      continue;
    }
    if (waiting.length > 0) wire.push({ role: "user", content: waiting });
    waiting = [];
    wire.push(
      message.role === "system"
        ? { role: "system", content: toContent(message.parts.flatMap(toContentPart)), ...name }
        : { ...toAssistant(message), ...name },
    );
  }
  if (waiting.length > 0) wire.push({ role: "user", content: waiting });
  return wire;
}

function toToolMessage(part: ToolResultPart, waiting: JsonObject[]): JsonObject {
  const texts: string[] = [];
  for (const item of part.content) {
    if (item.type === "text") {
      texts.push(item.text);
      continue;
    }
    texts.push(`(${item.type} of this result: see the next user message)`);
    waiting.push({ type: "text", text: `(${item.type} of the result of ${part.callId})` }, ...toContentPart(item));
  }
  const content = `${part.isError ? "Error: " : ""}${texts.join("\n")}`;
  return { role: "tool", tool_call_id: part.callId, content };
}

/** A refusal is said again as text: engines know no part of that name, and the model should see that it refused. */
function toAssistant(message: Message): JsonObject {
  let thinking = "";
  const calls: JsonObject[] = [];
  for (const part of message.parts) {
    if (part.type === "thinking") thinking += part.text;
    if (part.type !== "tool_call") continue;
    calls.push({ id: part.id, type: "function", function: { name: part.name, arguments: part.arguments || "{}" } });
  }
  return {
    role: "assistant",
    // "" and never null: chat templates add to it.
    content: toContent(message.parts.flatMap(toContentPart)),
    ...(thinking === "" ? {} : { reasoning_content: thinking }),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
}

/** A lone text as a string, which every engine takes. */
function toContent(parts: JsonObject[]): string | JsonObject[] {
  const [first] = parts;
  if (!first) return "";
  return parts.length === 1 && typeof first.text === "string" ? first.text : parts;
}

function toContentPart(part: Part): JsonObject[] {
  switch (part.type) {
    case "text":
    case "refusal":
      return [{ type: "text", text: part.text }];
    case "image": {
      const detail = part.detail ? { detail: part.detail } : {};
      return [{ type: "image_url", image_url: { url: toUrl(part.source), ...detail } }];
    }
    case "audio":
      return [{ type: "input_audio", input_audio: { data: part.data, format: part.format } }];
    case "document":
      return [toFile(part)];
    default:
      return [];
  }
}

function toFile(part: DocumentPart): JsonObject {
  const { source, title } = part;
  if (source.kind === "text") {
    const label = title === undefined ? "" : ` title=${JSON.stringify(title)}`;
    return { type: "text", text: `<document${label}>\n${source.text}\n</document>` };
  }
  return { type: "file", file: { file_data: toUrl(source), ...(title === undefined ? {} : { filename: title }) } };
}
