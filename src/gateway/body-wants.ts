import type { ScannedBody } from "../wire/scan-body.ts";
import type { Wants } from "./ports.ts";

/** Where images are named, in the request bodies of each API. */
const IMAGE_MARKS = ['"image_url"', '"input_image"', '"image"', '"images"'];

const BYTES_PER_TOKEN = 4;

/** What a request's body asks of a model, seen without parsing it. */
export class BodyWants implements Wants {
  readonly #body: ScannedBody | null;

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
    if (this.#body === null) return false;
    const { buffer, byteOffset, byteLength } = this.#body.bytes;
    const bytes = Buffer.from(buffer, byteOffset, byteLength);
    return IMAGE_MARKS.some((mark) => bytes.includes(mark));
  }

  promptTokens(): number {
    return Math.ceil((this.#body?.bytes.byteLength ?? 0) / BYTES_PER_TOKEN);
  }
}
