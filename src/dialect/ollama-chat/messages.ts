import type {
  AudioPart,
  DocumentPart,
  ImagePart,
  JsonObject,
  Message,
  Part,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { OllamaMessage } from "../../wire/ollama.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import { tryJson } from "../sse-decoder.ts";
import { parseMedia, toMedia } from "./media.ts";

type Media = ImagePart | AudioPart;

/**
 * Consecutive `tool` messages answer one assistant message and become one. Calls without ids get `call_0`, `call_1`, …
 * through the whole conversation, and results without ids go to the first open call of their `tool_name`.
 */
export function parseMessages(wire: readonly OllamaMessage[]): Result<Message[], Failure> {
  const messages: Message[] = [];
  let results: Part[] | null = null;
  let open: ToolCallPart[] = [];
  let made = 0;
  for (const [at, message] of wire.entries()) {
    const media = parseImages(message.images, `messages[${at}].images`);
    if (!media.ok) return media;
    const text: TextPart[] = message.content ? [{ type: "text", text: message.content }] : [];
    if (message.role === "tool") {
      if (!results) messages.push({ role: "tool", parts: (results = []) });
      const callId = message.tool_call_id || callOf(message.tool_name, open)?.id || `call_${made++}`;
      open = open.filter((call) => call.id !== callId);
      const images = media.value.filter((part) => part.type === "image");
      if (images.length < media.value.length) return err(NO_AUDIO_RESULTS);
      results.push({ type: "tool_result", callId, content: [...text, ...images], isError: false });
      continue;
    }
    results = null;
    const parts: Part[] = message.thinking ? [{ type: "thinking", text: message.thinking }] : [];
    parts.push(...text, ...media.value);
    if (message.role === "assistant") {
      open = (message.tool_calls ?? []).map(({ id, function: call }) => {
        const name = call.name;
        return { type: "tool_call", id: id || `call_${made++}`, name, arguments: argumentsText(call.arguments) };
      });
      parts.push(...open);
    }
    messages.push({ role: message.role === "developer" ? "system" : message.role, parts });
  }
  return ok(messages);
}

const NO_AUDIO_RESULTS: Failure = {
  kind: "unsupported",
  capability: "audio in tool results",
  endpoint: false,
  message: "This model does not support audio in tool results: put it into a user message.",
};

function callOf(name: string | null | undefined, open: readonly ToolCallPart[]): ToolCallPart | undefined {
  return name ? open.find((call) => call.name === name) : open[0];
}

/** `field` is the list's path. */
export function parseImages(images: readonly string[] | null | undefined, field: string): Result<Media[], Failure> {
  const parts: Media[] = [];
  for (const [at, entry] of (images ?? []).entries()) {
    const part = parseMedia(entry);
    if (!part) return err(noMedia(`${field}[${at}]`));
    parts.push(part);
  }
  return ok(parts);
}

function noMedia(field: string): Failure {
  const message = `${field}: expected a PNG, JPEG, WebP, GIF or BMP image, or WAV or MP3 audio, as base64 text`;
  return { kind: "invalid_request", field, message };
}

/** `{}` for a call without arguments: clients and templates parse them. */
export function argumentsText(given: JsonObject | string | null | undefined): string {
  return (typeof given === "object" && given !== null ? JSON.stringify(given) : given) || "{}";
}

/** An object is demanded. What a model wrote that is none is kept beside a name that says so. */
function toArguments(text: string): JsonObject {
  const value = text.trim() === "" ? {} : tryJson(text);
  return isJsonObject(value) ? value : { unparsed_arguments: text };
}

/**
 * `content` is one text and `images` stand apart. Images and documents of tool results wait, and lead the next user
 * message: templates render images of users only.
 */
export function toMessages(messages: readonly Message[]): JsonObject[] {
  const wire: JsonObject[] = [];
  const names = new Map<string, string>();
  let waiting: Part[] = [];
  for (const message of messages) {
    if (message.role === "tool") {
      for (const part of message.parts) {
        if (part.type === "tool_result") wire.push(toToolMessage(part, names, waiting));
      }
      continue;
    }
    const parts = message.role === "user" ? [...waiting, ...message.parts] : message.parts;
    if (message.role !== "user" && waiting.length > 0) wire.push(toMessage("user", waiting));
    waiting = [];
    for (const part of parts) if (part.type === "tool_call") names.set(part.id, part.name);
    wire.push(toMessage(message.role, parts));
  }
  if (waiting.length > 0) wire.push(toMessage("user", waiting));
  return wire;
}

function toMessage(role: Message["role"], parts: readonly Part[]): JsonObject {
  const texts: string[] = [];
  const images: string[] = [];
  const calls: JsonObject[] = [];
  let thinking = "";
  for (const part of parts) {
    switch (part.type) {
      case "text":
      // A refusal is said again as text: the model should see that it refused.
      case "refusal":
        texts.push(part.text);
        break;
      case "document":
        texts.push(documentText(part));
        break;
      case "image":
      case "audio":
        images.push(toMedia(part));
        break;
      case "thinking":
        thinking += part.text;
        break;
      case "tool_call":
        calls.push(toToolCall(part, calls.length));
        break;
      case "tool_result":
        break;
    }
  }
  return {
    role,
    content: texts.join("\n"),
    ...(thinking === "" ? {} : { thinking }),
    ...(images.length > 0 ? { images } : {}),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
}

export function toToolCall(call: ToolCallPart, index: number): JsonObject {
  return { id: call.id, function: { index, name: call.name, arguments: toArguments(call.arguments) } };
}

function toToolMessage(part: ToolResultPart, names: ReadonlyMap<string, string>, waiting: Part[]): JsonObject {
  const texts: string[] = [];
  for (const item of part.content) {
    if (item.type === "text") {
      texts.push(item.text);
      continue;
    }
    texts.push(`(${item.type} of this result: see the next user message)`);
    waiting.push({ type: "text", text: `(${item.type} of the result of ${part.callId})` }, item);
  }
  const name = names.get(part.callId);
  return {
    role: "tool",
    content: `${part.isError ? "Error: " : ""}${texts.join("\n")}`,
    ...(name === undefined ? {} : { tool_name: name }),
    tool_call_id: part.callId,
  };
}

/** Other documents than texts are refused before: see `untranslatable`. */
function documentText({ source, title }: DocumentPart): string {
  const label = title === undefined ? "" : ` title=${JSON.stringify(title)}`;
  const text = source.kind === "text" ? source.text : source.kind === "url" ? source.url : `(${source.mediaType})`;
  return `<document${label}>\n${text}\n</document>`;
}
