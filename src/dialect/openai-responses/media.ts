import type { DocumentPart, ImagePart, JsonObject, MediaSource, TextPart } from "../../core/chat-request.ts";
import type { ResponsesInputPart } from "../../wire/openai-responses-items.ts";

type Wire<Type extends ResponsesInputPart["type"]> = Extract<ResponsesInputPart, { type: Type }>;

/** Null: the part names an uploaded file, or nothing at all. */
export function parseImage(part: Wire<"input_image">): ImagePart | null {
  if (!part.image_url) return null;
  // `original` asks for more than `high`, which is the most that engines know.
  const detail = part.detail === "original" ? "high" : part.detail;
  return { type: "image", source: parseSource(part.image_url), ...(detail ? { detail } : {}) };
}

/** Null: the part names an uploaded file, or nothing at all. */
export function parseFile(part: Wire<"input_file">): DocumentPart | null {
  const title = part.filename ? { title: part.filename } : {};
  if (part.file_url) return { type: "document", source: { kind: "url", url: part.file_url }, ...title };
  if (!part.file_data) return null;
  const data = part.file_data;
  const mediaType = part.filename?.toLowerCase().endsWith(".pdf") ? "application/pdf" : "application/octet-stream";
  const source: MediaSource = data.startsWith("data:") ? parseSource(data) : { kind: "base64", mediaType, data };
  return { type: "document", source, ...title };
}

function parseSource(url: string): MediaSource {
  const match = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i.exec(url.slice(0, 256));
  if (!match) return { kind: "url", url };
  return { kind: "base64", mediaType: match[1] || "application/octet-stream", data: url.slice(match[0].length) };
}

/** One content part of a user message or of a call's output. */
export function toMediaPart(part: TextPart | ImagePart | DocumentPart): JsonObject {
  switch (part.type) {
    case "text":
      return { type: "input_text", text: part.text };
    case "image":
      return {
        type: "input_image",
        image_url: toUrl(part.source),
        ...(part.detail === undefined ? {} : { detail: part.detail }),
      };
    case "document":
      return toFile(part);
  }
}

function toFile({ source, title }: DocumentPart): JsonObject {
  if (source.kind === "text") {
    const label = title === undefined ? "" : ` title=${JSON.stringify(title)}`;
    return { type: "input_text", text: `<document${label}>\n${source.text}\n</document>` };
  }
  const filename = title === undefined ? {} : { filename: title };
  if (source.kind === "url") return { type: "input_file", file_url: source.url, ...filename };
  return { type: "input_file", file_data: toUrl(source), ...filename };
}

function toUrl(source: MediaSource): string {
  return source.kind === "url" ? source.url : `data:${source.mediaType};base64,${source.data}`;
}
