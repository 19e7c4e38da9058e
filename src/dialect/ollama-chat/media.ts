import type { AudioPart, ImagePart } from "../../core/chat-request.ts";

/** First bytes of the formats that Ollama's `images` may hold; the base64 text does not say which it is. */
const IMAGES: readonly (readonly [string, RegExp])[] = [
  ["image/png", /^\x89PNG/],
  ["image/jpeg", /^\xff\xd8\xff/],
  ["image/webp", /^RIFF[^]{4}WEBP/],
  ["image/gif", /^GIF8/],
  ["image/bmp", /^BM/],
];
const AUDIO: readonly (readonly [string, RegExp])[] = [
  ["wav", /^RIFF[^]{4}WAVE/],
  ["mp3", /^(?:ID3|\xff[\xe0-\xff])/],
];

/**
 * What one entry of `images` is; null: not base64, or no format known here. A data URL is taken for its data: Ollama
 * refuses those, but what is meant is plain.
 */
export function parseMedia(entry: string): ImagePart | AudioPart | null {
  const data = entry.replace(/^data:[^,]{0,200};base64,/i, "");
  const head = data.slice(0, 64);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(head)) return null;
  const start = Buffer.from(head, "base64").toString("latin1");
  const image = IMAGES.find(([, magic]) => magic.test(start));
  if (image) return { type: "image", source: { kind: "base64", mediaType: image[0], data } };
  const audio = AUDIO.find(([, magic]) => magic.test(start));
  return audio ? { type: "audio", format: audio[0], data } : null;
}

/** The entry of `images` for a part. A URL stays one: the engine refuses it, so that nothing is dropped in silence. */
export function toMedia(part: ImagePart | AudioPart): string {
  if (part.type === "audio") return part.data;
  return part.source.kind === "url" ? part.source.url : part.source.data;
}
