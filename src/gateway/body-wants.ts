import type { ScannedBody } from "../wire/scan-body.ts";
import type { Wants } from "./ports.ts";

/** Where images are named, in the request bodies of each API. */
const IMAGE_MARKS = ['"image_url"', '"input_image"', '"image"', '"images"'];

/** What stands before the bytes of an image or a sound. */
const MEDIA_MARKS = ["base64,", '"data":"', '"data": "', '"images":["', '"images": ["'];

const BYTES_PER_TOKEN = 4;
/** Shorter is no image. */
const LEAST_MEDIA_BYTES = 1024;
/** What models make of one, whatever its bytes. */
const MEDIA_TOKENS = 1024;
const QUOTE = 0x22;

/** What a request's body asks of a model, seen without parsing it. */
export class BodyWants implements Wants {
  readonly #body: ScannedBody | null;
  #images: boolean | null = null;
  #promptTokens: number | null = null;

  constructor(body: ScannedBody | null) {
    this.#body = body;
  }

  /** An empty list of tools is none. */
  tools(): boolean {
    const span = this.#body?.get("tools");
    return span !== undefined && this.#body?.bytes[span.valueStart] === 0x5b && span.valueEnd - span.valueStart > 4;
  }

  /** Text that speaks of such marks has its quotes escaped, so that none is taken for one. */
  images(): boolean {
    this.#images ??= this.#body !== null && IMAGE_MARKS.some((mark) => bufferOf(this.#body).includes(mark));
    return this.#images;
  }

  /** A guess by the bytes; those of images say nothing of their tokens. */
  promptTokens(): number {
    this.#promptTokens ??= this.images() ? tokensBesideMedia(bufferOf(this.#body)) : tokensOf(this.#body);
    return this.#promptTokens;
  }
}

function bufferOf(body: ScannedBody | null): Buffer {
  return body?.bytes ?? Buffer.alloc(0);
}

function tokensOf(body: ScannedBody | null): number {
  return Math.ceil((body?.bytes.byteLength ?? 0) / BYTES_PER_TOKEN);
}

function tokensBesideMedia(bytes: Buffer): number {
  let media = 0;
  let mediaBytes = 0;
  for (const mark of MEDIA_MARKS) {
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at)) {
      const start = at + mark.length;
      const end = bytes.indexOf(QUOTE, start);
      at = end < 0 ? bytes.length : end;
      if (at - start < LEAST_MEDIA_BYTES) continue;
      media += 1;
      mediaBytes += at - start;
    }
  }
  return Math.ceil((bytes.length - mediaBytes) / BYTES_PER_TOKEN) + media * MEDIA_TOKENS;
}
