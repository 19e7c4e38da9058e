import type { ChunkSpans } from "../core/engine-answer.ts";
import type { Framing } from "./head.ts";

export interface BodyEvents {
  /** A view of what came: whoever keeps it for long keeps the whole of what came with it. */
  onPiece(bytes: Uint8Array): void;
  onEnd(): void;
}

type State = "length" | "size" | "data" | "gap" | "trailer" | "close" | "end";

const CR = 0x0d;
const LF = 0x0a;
const MAX_SPANS = 64;
/** Lent to each reader in turn, for the time of a call. */
const SPANS = { offsets: new Int32Array(2 * MAX_SPANS), count: 0 };
const MAX_LINE_BYTES = 8192;

/** Finds the pieces of one message's body and its end, as its framing says (RFC 9112, section 7.1 for chunks). */
export class BodyReader {
  readonly #events: BodyEvents;
  #state: State = "end";
  #left = 0;
  /** The beginning of a line whose end has not come. */
  #held: Buffer | null = null;

  constructor(events: BodyEvents) {
    this.#events = events;
  }

  /** A body without bytes ends at once. */
  begin(framing: Framing): void {
    this.#held = null;
    if (framing.kind === "chunked") this.#state = "size";
    else if (framing.kind === "close") this.#state = "close";
    else if (framing.kind === "length") {
      this.#left = framing.bytes;
      this.#state = "length";
      if (this.#left === 0) this.#finish();
    }
  }

  get ended(): boolean {
    return this.#state === "end";
  }

  /** The connection closed. True: the body was to go on until then. */
  close(): boolean {
    if (this.#state !== "close") return false;
    this.#finish();
    return true;
  }

  /** Where the data lies, if these are whole chunks and nothing else, the last one not among them; null otherwise. Nothing is taken. */
  wholeChunks(bytes: Buffer): ChunkSpans | null {
    if (this.#state !== "size" || this.#held !== null) return null;
    const { length } = bytes;
    let count = 0;
    for (let at = 0; at < length; count += 1) {
      let size = 0;
      let end = at;
      for (let digit = hexDigit(bytes[end] ?? 0); digit >= 0; digit = hexDigit(bytes[end] ?? 0)) {
        size = size * 16 + digit;
        end += 1;
      }
      const start = end + 2;
      const next = start + size + 2;
      if (size === 0 || end - at > 6 || next > length || count === MAX_SPANS) return null;
      if (bytes[end] !== CR || bytes[end + 1] !== LF || bytes[next - 2] !== CR || bytes[next - 1] !== LF) return null;
      SPANS.offsets[2 * count] = start;
      SPANS.offsets[2 * count + 1] = next - 2;
      at = next;
    }
    SPANS.count = count;
    return SPANS;
  }

  /** How many of the bytes belong to this body, from `at` on; -1: they are no chunks. Stops behind the end. */
  push(piece: Buffer, at: number): number {
    let bytes = piece;
    let from = at;
    let shift = 0;
    if (this.#held !== null) {
      shift = this.#held.length;
      bytes = Buffer.concat([this.#held, at === 0 ? piece : piece.subarray(at)]);
      from = 0;
      shift -= at;
      this.#held = null;
    }
    while (from < bytes.length && this.#state !== "end") {
      const next = this.#step(bytes, from);
      if (next === from) {
        this.#held = Buffer.from(bytes.subarray(from));
        return this.#held.length > MAX_LINE_BYTES ? -1 : piece.length;
      }
      if (next < 0) return -1;
      from = next;
    }
    return from - shift;
  }

  /** Where to go on; the same place when more bytes are needed; -1 for nonsense. */
  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case "length":
      case "data": {
        const end = Math.min(bytes.length, at + this.#left);
        this.#left -= end - at;
        this.#events.onPiece(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
        if (this.#left > 0) return end;
        if (this.#state === "length") this.#finish();
        else if (this.#state === "data") this.#state = "gap";
        return end;
      }
      case "close":
        this.#events.onPiece(bytes.subarray(at));
        return bytes.length;
      case "gap":
        if (bytes.length - at < 2) return at;
        if (bytes[at] !== 0x0d || bytes[at + 1] !== LF) return -1;
        this.#state = "size";
        return at + 2;
      case "size": {
        const end = bytes.indexOf(LF, at);
        if (end < 0) return at;
        const size = chunkSize(bytes, at, end);
        if (size < 0) return -1;
        this.#left = size;
        this.#state = size === 0 ? "trailer" : "data";
        return end + 1;
      }
      case "trailer": {
        const end = bytes.indexOf(LF, at);
        if (end < 0) return at;
        if (end - at <= 1) this.#finish();
        return end + 1;
      }
      case "end":
        return at;
    }
  }

  #finish(): void {
    this.#state = "end";
    this.#events.onEnd();
  }
}

/** The hexadecimal number in front of a chunk; -1 for anything else. What follows a semicolon is passed over. */
function chunkSize(bytes: Buffer, start: number, lineFeed: number): number {
  let size = 0;
  let at = start;
  for (; at < lineFeed; at += 1) {
    const digit = hexDigit(bytes[at] ?? 0);
    if (digit < 0) break;
    size = size * 16 + digit;
    if (at - start > 12) return -1;
  }
  if (at === start) return -1;
  const after = bytes[at];
  return after === 0x0d || after === 0x3b || after === 0x20 || after === LF ? size : -1;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
