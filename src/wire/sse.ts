/** One event of a `text/event-stream`. `event` is "" where the stream names none. */
export interface SseFrame {
  readonly event: string;
  readonly data: string;
}

/** Larger than any answer frame; what exceeds it is an engine gone wild, and must not fill the memory. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;

const LF = 0x0a;
const CR = 0x0d;

/**
 * Bytes of an event stream in, whole frames out; any split of the bytes gives the same frames. Follows the HTML
 * standard: LF, CR and CRLF end lines, comments and unknown fields are skipped, `data` lines are joined by LF, and a
 * frame without its blank line at the end of the stream never counts. Once `tooLong` is true it gives nothing more.
 */
export class SseParser {
  readonly #maxFrameBytes: number;
  #tooLong = false;
  /** Bytes of a line that has not ended. In pieces, so that a long line costs no copy per chunk. */
  #pieces: Uint8Array[] = [];
  #pendingBytes = 0;
  #afterCr = false;
  #first = true;
  #event = "";
  #data: string | null = null;

  constructor(maxFrameBytes = MAX_FRAME_BYTES) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** A frame grew beyond the limit. */
  get tooLong(): boolean {
    return this.#tooLong;
  }

  /** All that came is in whole frames that were given out. */
  get betweenFrames(): boolean {
    return !this.#first && !this.#afterCr && this.#pieces.length === 0 && this.#data === null && this.#event === "";
  }

  push(chunk: Uint8Array): SseFrame[] {
    const frames: SseFrame[] = [];
    if (this.#tooLong || chunk.length === 0) return frames;
    const bytes = this.#afterCr || chunk.includes(CR) ? this.#withoutCr(chunk) : chunk;
    const end = bytes.lastIndexOf(LF) + 1;
    if (end > 0) {
      this.#lines(this.#take(bytes.subarray(0, end)), frames);
      if (end < bytes.length) this.#keep(bytes.subarray(end));
    } else if (bytes.length > 0) {
      this.#keep(bytes);
    }
    if (this.#pendingBytes > this.#maxFrameBytes) this.#overflow();
    return frames;
  }

  /** Line ends as LF. A CR at the end of a chunk may be half a CRLF: its LF is dropped when it comes. */
  #withoutCr(chunk: Uint8Array): Uint8Array {
    const out = new Uint8Array(chunk.length);
    let length = 0;
    let afterCr = this.#afterCr;
    for (const byte of chunk) {
      if (byte === LF && afterCr) {
        afterCr = false;
        continue;
      }
      afterCr = byte === CR;
      out[length] = afterCr ? LF : byte;
      length += 1;
    }
    this.#afterCr = afterCr;
    return out.subarray(0, length);
  }

  #keep(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  /** The pending line and these bytes as text. A line feed is never inside a UTF-8 sequence, so this is whole. */
  #take(bytes: Uint8Array): string {
    if (this.#pieces.length === 0) return toText(bytes);
    const joined = Buffer.concat([...this.#pieces, bytes]);
    this.#pieces = [];
    this.#pendingBytes = this.#data === null ? 0 : this.#data.length;
    return toText(joined);
  }

  #lines(text: string, frames: SseFrame[]): void {
    let start = 0;
    if (this.#first) {
      this.#first = false;
      if (text.charCodeAt(0) === 0xfeff) start = 1;
    }
    for (let end = text.indexOf("\n", start); end >= 0 && !this.#tooLong; end = text.indexOf("\n", start)) {
      if (end === start) this.#dispatch(frames);
      else this.#field(text.slice(start, end));
      start = end + 1;
    }
  }

  #dispatch(frames: SseFrame[]): void {
    if (this.#data !== null) frames.push({ event: this.#event, data: this.#data });
    this.#event = "";
    this.#data = null;
    this.#pendingBytes = 0;
  }

  #field(line: string): void {
    if (line.startsWith("data:")) {
      const value = line.slice(line.charCodeAt(5) === 0x20 ? 6 : 5);
      this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
      this.#pendingBytes = this.#data.length;
      if (this.#pendingBytes > this.#maxFrameBytes) this.#overflow();
    } else if (line.startsWith("event:")) {
      this.#event = line.slice(line.charCodeAt(6) === 0x20 ? 7 : 6);
    } else if (line === "data") {
      this.#data = this.#data === null ? "" : `${this.#data}\n`;
    }
  }

  #overflow(): void {
    this.#tooLong = true;
    this.#pieces = [];
    this.#data = null;
  }
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}
