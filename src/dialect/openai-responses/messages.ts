import type {
  AudioPart,
  DocumentPart,
  ImagePart,
  JsonObject,
  Message,
  Part,
  TextPart,
  ToolResultPart,
} from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { OpenaiResponsesRequest } from "../../wire/openai-responses.ts";
import type { ResponsesInputPart, ResponsesItem } from "../../wire/openai-responses-items.ts";
import { toCustomArguments } from "./custom-input.ts";
import { parseClientCall, parseClientOutput, searchCall, searchOutput } from "./client-calls.ts";
import { parseFile, parseImage, toMediaPart } from "./media.ts";
import { flatName } from "./tools.ts";

type InputPart = TextPart | ImagePart | DocumentPart | AudioPart;

/**
 * The items of one assistant turn (thinking, text, calls) become one message, and so do the outputs that follow it.
 * What the client says to the system before the first turn becomes one system message, in front.
 */
export function parseMessages(wire: OpenaiResponsesRequest): Result<Message[], Failure> {
  const gathered = new GatheredMessages();
  if (wire.instructions) gathered.add("system", [textPart(wire.instructions)]);
  if (typeof wire.input === "string") {
    gathered.add("user", wire.input === "" ? [] : [textPart(wire.input)]);
    return ok(gathered.messages);
  }
  for (const [at, item] of wire.input.entries()) {
    const failure = parseItem(item, `input[${at}]`, gathered);
    if (failure) return err(failure);
  }
  return ok(gathered.messages);
}

class GatheredMessages {
  readonly messages: Message[] = [];
  #parts: Part[] = [];

  /** To the last message where it has the same role; user messages and later system ones stay apart. */
  add(role: Message["role"], parts: readonly Part[] | null): void {
    if (parts === null) return;
    const joins = role === "system" ? this.messages.length === 1 : role !== "user";
    if (!joins || this.messages.at(-1)?.role !== role) this.messages.push({ role, parts: (this.#parts = []) });
    this.#parts.push(...parts);
  }
}

function parseItem(item: ResponsesItem, field: string, to: GatheredMessages): Failure | null {
  switch (item.type) {
    case undefined:
    case null:
    case "message":
      return parseMessage(item, field, to);
    case "function_call": {
      const { arguments: given } = item;
      const json = typeof given === "object" ? JSON.stringify(given ?? {}) : given;
      to.add("assistant", [call(item, json || "{}")]);
      return null;
    }
    case "custom_tool_call":
      to.add("assistant", [call(item, toCustomArguments(item.input))]);
      return null;
    case "function_call_output":
    case "custom_tool_call_output": {
      const content = parseParts(item.output ?? "", `${field}.output`, parseResultPart);
      if (!content.ok) return content.error;
      to.add("tool", [{ type: "tool_result", callId: item.call_id, content: content.value, isError: false }]);
      return null;
    }
    case "reasoning": {
      const shown = item.content?.length ? item.content : (item.summary ?? []);
      const text = shown.map((one) => one.text).join("\n\n");
      const secret = item.encrypted_content;
      if (text === "" && !secret) return null;
      const proof = secret ? (text === "" ? { redacted: secret } : { signature: secret }) : {};
      to.add("assistant", [{ type: "thinking", text, ...proof }]);
      return null;
    }
    case "item_reference":
      return {
        kind: "invalid_request",
        field,
        message: `${field}: no item "${item.id}" is kept here for this key; send the item itself`,
      };
    case "agent_message": {
      const texts = item.content.flatMap(({ text }) => (text ? [text] : []));
      const author = item.author ? `Message from ${item.author}:\n` : "";
      if (texts.length > 0) to.add("user", [textPart(author + texts.join("\n"))]);
      return null;
    }
    case "tool_search_call":
      to.add("assistant", searchCall(item));
      return null;
    case "tool_search_output":
      to.add("tool", searchOutput(item));
      return null;
    case "local_shell_call":
    case "shell_call":
    case "apply_patch_call":
      to.add("assistant", parseClientCall(item));
      return null;
    case "local_shell_call_output":
    case "shell_call_output":
    case "apply_patch_call_output":
      to.add("tool", parseClientOutput(item));
      return null;
    case "compaction_trigger":
      return {
        kind: "unsupported",
        capability: item.type,
        endpoint: false,
        message: `${field}: conversations are not compacted here: ask for a summary, and go on from that`,
      };
    // The tools of the first are read by `broughtTools`.
    case "additional_tools":
    case "left_out":
      return null;
  }
}

type WireMessage = Extract<ResponsesItem, { role: string }>;

function parseMessage(message: WireMessage, field: string, to: GatheredMessages): Failure | null {
  switch (message.role) {
    case "system":
    case "developer":
    case "assistant": {
      const { content } = message;
      const parts =
        typeof content === "string"
          ? content === ""
            ? []
            : [textPart(content)]
          : (content ?? []).map((part): Part =>
              part.type === "refusal" ? { type: "refusal", text: part.refusal } : textPart(part.text),
            );
      to.add(message.role === "assistant" ? "assistant" : "system", parts);
      return null;
    }
    case "user": {
      const parts = parseParts(message.content, `${field}.content`, parseUserPart);
      if (!parts.ok) return parts.error;
      to.add("user", parts.value);
      return null;
    }
  }
}

function call(item: { call_id: string; name: string; namespace?: string | null | undefined }, json: string): Part {
  return { type: "tool_call", id: item.call_id, name: flatName(item.namespace, item.name), arguments: json };
}

function textPart(text: string): TextPart {
  return { type: "text", text };
}

/** `parse` gives null for a part that names an upload. */
function parseParts<W, P>(
  content: string | readonly W[],
  field: string,
  parse: (part: W) => P | null,
): Result<(P | TextPart)[], Failure> {
  if (typeof content === "string") return ok(content === "" ? [] : [textPart(content)]);
  const parts: P[] = [];
  for (const [at, one] of content.entries()) {
    const part = parse(one);
    if (part === null) return err(noUpload(`${field}[${at}]`));
    parts.push(part);
  }
  return ok(parts);
}

function noUpload(field: string): Failure {
  const message = `${field}: uploaded files are not kept here; send a URL, or the bytes as image_url or file_data`;
  return { kind: "invalid_request", field, message };
}

function parseUserPart(part: ResponsesInputPart): InputPart | null {
  if (part.type !== "input_audio") return parseResultPart(part);
  return { type: "audio", format: part.input_audio.format, data: part.input_audio.data };
}

function parseResultPart(
  part: Exclude<ResponsesInputPart, { type: "input_audio" }>,
): TextPart | ImagePart | DocumentPart | null {
  switch (part.type) {
    case "input_image":
      return parseImage(part);
    case "input_file":
      return parseFile(part);
    default:
      return textPart(part.text);
  }
}

/** Core messages as input items, in the order in which they were said. */
export function toItems(messages: readonly Message[]): JsonObject[] {
  return messages.flatMap((message) => {
    switch (message.role) {
      case "assistant":
        return toAssistantItems(message.parts);
      case "tool":
        return message.parts.flatMap((part) => (part.type === "tool_result" ? [toOutput(part)] : []));
      default:
        return [{ type: "message", role: message.role, content: message.parts.flatMap(toInputPart) }];
    }
  });
}

function toAssistantItems(parts: readonly Part[]): JsonObject[] {
  const items: JsonObject[] = [];
  let content: JsonObject[] | null = null;
  for (const part of parts) {
    if (part.type === "text" || part.type === "refusal") {
      if (!content) items.push({ type: "message", role: "assistant", content: (content = []) });
      content.push(
        part.type === "text" ? { type: "output_text", text: part.text } : { type: "refusal", refusal: part.text },
      );
      continue;
    }
    content = null;
    if (part.type === "tool_call") {
      const { id, name } = part;
      items.push({ type: "function_call", call_id: id, name, arguments: part.arguments || "{}" });
    }
    if (part.type === "thinking") {
      const secret = part.redacted ?? part.signature;
      items.push({
        type: "reasoning",
        summary: [],
        ...(part.text === "" ? {} : { content: [{ type: "reasoning_text", text: part.text }] }),
        ...(secret === undefined ? {} : { encrypted_content: secret }),
      });
    }
  }
  return items;
}

/** One text as a string, which every server takes. */
function toOutput({ callId, content, isError }: ToolResultPart): JsonObject {
  const [first] = content;
  const error = isError ? "Error: " : "";
  const lone = content.length > 1 ? null : first === undefined ? "" : first.type === "text" ? first.text : null;
  const parts = (isError ? [textPart(error), ...content] : content).map(toMediaPart);
  return { type: "function_call_output", call_id: callId, output: lone === null ? parts : error + lone };
}

function toInputPart(part: Part): JsonObject[] {
  switch (part.type) {
    case "text":
    case "image":
    case "document":
      return [toMediaPart(part)];
    case "audio":
      return [{ type: "input_audio", input_audio: { data: part.data, format: part.format } }];
    default:
      return [];
  }
}
