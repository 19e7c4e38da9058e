/** Larger than any line of an answer; what exceeds it is an engine gone wild, and must not fill the memory. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

const LF = 0x0a;

/**
 * Bytes of newline-delimited JSON in, whole lines out; any split of the bytes gives the same lines. LF and CRLF end
 * lines, blank ones are skipped. Once `tooLong` is true it gives nothing more.
 */
export class NdjsonParser {
  readonly #maxLineBytes: number;
  #tooLong = false;
  /** Bytes of a line that has not ended. In pieces, so that a long line costs no copy per chunk. */
  #pieces: Uint8Array[] = [];
  #pendingBytes = 0;
  #first = true;

  constructor(maxLineBytes = MAX_LINE_BYTES) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** A line grew beyond the limit. */
  get tooLong(): boolean {
    return this.#tooLong;
  }

  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let start = 0;
    while (!this.#tooLong && start < chunk.length) {
      const end = chunk.indexOf(LF, start);
      this.#keep(chunk.subarray(start, end < 0 ? chunk.length : end));
      if (end < 0 || this.#tooLong) break;
      this.#finishLine(lines);
      start = end + 1;
    }
    return lines;
  }

  /** The stream closed: the last line, when it came without its line end. It may be half of one. */
  end(): string[] {
    const lines: string[] = [];
    if (!this.#tooLong) this.#finishLine(lines);
    return lines;
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes <= this.#maxLineBytes) return;
    this.#tooLong = true;
    this.#pieces = [];
  }

  #finishLine(lines: string[]): void {
    const [only] = this.#pieces;
    if (!only) return;
    // A line feed is never inside a UTF-8 sequence, so this is whole.
    const line = toText(this.#pieces.length === 1 ? only : Buffer.concat(this.#pieces));
    this.#pieces = [];
    this.#pendingBytes = 0;
    // The byte order mark is white space to `trim`, but not to `JSON.parse`.
    const text = this.#first && line.charCodeAt(0) === 0xfeff ? line.slice(1) : line;
    this.#first = false;
    if (text.trim() !== "") lines.push(text.endsWith("\r") ? text.slice(0, -1) : text);
  }
}

/** One line of JSON text, which never holds a raw line feed. */
export function jsonLine(json: string): string {
  return `${json}\n`;
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}
