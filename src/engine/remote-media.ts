import type { ChatRequest, JsonValue } from "../core/chat-request.ts";
import type { Failure } from "../core/failure.ts";
import type { BodyFields } from "./driver.ts";

/** Parts of OpenAI's dialect, and of vLLM's, that name a file by its URL. */
const KINDS = ["image_url", "video_url", "audio_url"] as const;

/**
 * Engines fetch what a URL names, from where they are and for whoever has a key: an address inside the network would be
 * read for people who could not reach it themselves. Null: nothing of the kind is asked.
 */
export function remoteMedia(request: ChatRequest): Failure | null {
  for (const part of request.messages.flatMap((message) => message.parts)) {
    const inside = part.type === "tool_result" ? part.content : [part];
    for (const one of inside) {
      const media = one.type === "image" || one.type === "document" ? one : null;
      if (media?.source.kind === "url" && isInside(media.source.url)) return refused(media.type);
    }
  }
  return null;
}

/** The same for a body that is passed through; parsed only where such a part is named. */
export function remoteMediaIn(body: BodyFields): Failure | null {
  if (!KINDS.some((kind) => body.includes("messages", `"${kind}"`))) return null;
  const messages = body.json("messages");
  const parts = Array.isArray(messages) ? messages.flatMap((message) => listOf(member(message, "content"))) : [];
  for (const part of parts) {
    for (const kind of KINDS) {
      const named = member(part, kind);
      const url = typeof named === "string" ? named : member(named, "url");
      if (typeof url === "string" && isInside(url)) return refused(kind.replace("_url", ""));
    }
  }
  return null;
}

/** A machine of this network, a file of the engine's, or something that is no address at all. Data is none of these. */
export function isInside(url: string): boolean {
  if (/^data:/i.test(url)) return false;
  if (!URL.canParse(url)) return true;
  const { protocol, hostname } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") return true;
  // The parser has turned every way to write an IPv4 address into the one with dots.
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (host.includes(":")) return /^(::1?$|f[cd]|fe[89ab]|::ffff:)/.test(host);
  const [first = 0, second = 0] = host.split(".").map(Number);
  if (/^\d+\.\d+\.\d+\.\d+$/.test(host)) return isPrivate(first, second);
  return !host.includes(".") || /(^|\.)(localhost|local|internal|intranet|lan|home\.arpa)$/.test(host);
}

function isPrivate(first: number, second: number): boolean {
  return (
    first === 0 ||
    first === 10 ||
    first === 127 ||
    (first === 100 && second >= 64 && second < 128) ||
    (first === 169 && second === 254) ||
    (first === 172 && second >= 16 && second < 32) ||
    (first === 192 && second === 168)
  );
}

function refused(kind: string): Failure {
  const message = `this ${kind}'s URL names a machine inside the network, or none: an engine would fetch it for whoever asks. Send the bytes, as a data: URL or base64.`;
  return { kind: "unsupported", capability: `${kind} URLs`, endpoint: false, message };
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value[name] : undefined;
}
