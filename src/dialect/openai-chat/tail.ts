import { asBuffer } from "../../core/as-buffer.ts";
import type { ChunkSpans } from "../../core/engine-answer.ts";
import type { TokenUsage } from "../../core/token-usage.ts";
import { MAX_FRAME_BYTES } from "../../wire/sse.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import { errorText, tryJson } from "../sse-decoder.ts";
import { deltaHasContent, findValue, valueStartsWith } from "./chunk-bytes.ts";
import { findUsage } from "./usage-bytes.ts";

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const NOTHING = new Uint8Array(0);
// As bytes: a search for a string converts it each time.
const BLANK_LINE = Buffer.from("\n\n");
const CRLF_BLANK_LINE = Buffer.from("\r\n\r\n");
const DELTA = Buffer.from('"delta"');
const FINISH_REASON = Buffer.from('"finish_reason"');
const USAGE = Buffer.from('"usage"');
const ERROR = Buffer.from('"error"');
const DONE = Buffer.from("[DONE]");

export interface StreamWatchOptions {
  /** The client asked for the usage chunk; otherwise it is cut out of what is forwarded. */
  readonly keepUsage: boolean;
}

/**
 * Looks over the shoulder of a relayed OpenAI stream without parsing it: native searches on the bytes, and
 * `JSON.parse` for the counts and for errors only. What `push` gives back is to be forwarded; it is always
 * whole frames, so that a failure can follow on a clean boundary. An error frame of the engine is not forwarded: the
 * relay says it in its own words. Nothing is forwarded after `[DONE]`, an error or a frame beyond the size limit.
 */
export class StreamWatch {
  readonly #keepUsage: boolean;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #crlf: boolean | null = null;
  #contentFrames = 0;
  #finished = false;
  #usage: TokenUsage | null = null;
  #done = false;
  #error: string | null = null;

  constructor(options: StreamWatchOptions) {
    this.#keepUsage = options.keepUsage;
  }

  /** Frames with text, thinking, tool calls or a refusal so far; about the tokens of the answer. */
  get contentFrames(): number {
    return this.#contentFrames;
  }

  /** A finish reason came. */
  get finished(): boolean {
    return this.#finished;
  }

  get usage(): TokenUsage | null {
    return this.#usage;
  }

  /** `[DONE]` came; it is in the bytes just given back. */
  get done(): boolean {
    return this.#done;
  }

  /** What the engine's error frame said, or what is wrong with its stream. */
  get error(): string | null {
    return this.#error;
  }

  /** The stream closed: whether the answer is whole. A finish reason without `[DONE]` will do. */
  get complete(): boolean {
    return this.#error === null && (this.#done || this.#finished);
  }

  push(chunk: Uint8Array): Uint8Array {
    if (this.#done || this.#error !== null) return NOTHING;
    const bytes = this.#wholeFrames(chunk);
    return bytes.length === 0 ? bytes : this.#watch(bytes);
  }

  /**
   * As `push`, for bytes that go on as they are: nothing is held back, and each span is whole frames of a delta without an
   * end, a count or an error. False: these are not such bytes, and nothing was noted.
   */
  pass(bytes: Uint8Array, { offsets, count }: ChunkSpans): boolean {
    if (this.#held.length > 0 || this.#crlf !== false || this.#done || this.#error !== null) return false;
    const buffer = asBuffer(bytes);
    if (valueStartsWith(buffer, USAGE, OPEN_BRACE) || valueStartsWith(buffer, FINISH_REASON, QUOTE)) return false;
    let content = 0;
    for (let span = 0; span < count; span += 1) {
      const end = offsets[2 * span + 1] ?? 0;
      for (let start = offsets[2 * span] ?? 0; start < end;) {
        const next = buffer.indexOf(BLANK_LINE, start) + BLANK_LINE.length;
        const delta = findValue(buffer, DELTA, start);
        if (next < BLANK_LINE.length || next > end || delta < 0 || delta > next) return false;
        if (deltaHasContent(buffer, delta)) content += 1;
        start = next;
      }
    }
    this.#contentFrames += content;
    return true;
  }

  /** The bytes up to the last blank line, together with what was held back; the rest is held back. */
  #wholeFrames(chunk: Uint8Array): Uint8Array {
    const length = chunk.length;
    if (this.#crlf === null) {
      const line = chunk.indexOf(LF);
      if (line >= 0) this.#crlf = (line > 0 ? chunk[line - 1] : this.#held.at(-1)?.at(-1)) === CR;
    }
    if (this.#held.length === 0 && !this.#crlf && chunk[length - 1] === LF && chunk[length - 2] === LF) return chunk;
    // Frames end with a line feed: without one in this chunk nothing can have become whole, and nothing is copied.
    if (!chunk.includes(LF)) {
      this.#hold(chunk);
      return NOTHING;
    }
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([...this.#held, chunk]);
    this.#held = [];
    this.#heldBytes = 0;
    const blank = this.#crlf ? CRLF_BLANK_LINE : BLANK_LINE;
    const at = asBuffer(bytes).lastIndexOf(blank);
    const end = at < 0 ? 0 : at + blank.length;
    if (end < bytes.length) this.#hold(bytes.subarray(end));
    return bytes.subarray(0, end);
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > MAX_FRAME_BYTES) this.#error = "a frame of the answer is too long";
  }

  #watch(bytes: Uint8Array): Uint8Array {
    const buffer = asBuffer(bytes);
    const blank = this.#crlf ? CRLF_BLANK_LINE : BLANK_LINE;
    const pieces: Uint8Array[] = [];
    let kept = 0;
    let start = 0;
    while (start < bytes.length && !this.#done && this.#error === null) {
      const end = buffer.indexOf(blank, start) + blank.length;
      if (!this.#frame(end - start === buffer.length ? buffer : buffer.subarray(start, end))) {
        if (start > kept) pieces.push(bytes.subarray(kept, start));
        kept = end;
      }
      start = end;
    }
    if (kept === 0) return bytes.subarray(0, start);
    if (start > kept) pieces.push(bytes.subarray(kept, start));
    return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
  }

  /** Takes note of one frame; false: it is not to be forwarded. */
  #frame(frame: Buffer): boolean {
    const delta = findValue(frame, DELTA);
    if (delta >= 0 && deltaHasContent(frame, delta)) this.#contentFrames += 1;
    // A frame of content may still end the answer or carry running usage: some engines put all in one.
    if (!this.#finished && valueStartsWith(frame, FINISH_REASON, QUOTE)) this.#finished = true;
    if (valueStartsWith(frame, USAGE, OPEN_BRACE)) return this.#usageFrame(frame);
    if (delta >= 0) return true;
    if (isDone(frame)) this.#done = true;
    else if (frame.indexOf(ERROR) >= 0) return this.#errorFrame(frame);
    else if (!isReadable(frame)) {
      this.#error = "it sent something that is not JSON";
      return false;
    }
    return true;
  }

  #usageFrame(frame: Buffer): boolean {
    // An object on several lines is rare.
    const found = findUsage(objectOf(frame)) ?? findUsage(Buffer.from(dataOf(frame)));
    if (!found?.usage) return true;
    this.#usage = found.usage;
    return this.#keepUsage || found.hasChoices === true;
  }

  #errorFrame(frame: Buffer): boolean {
    const answer = tryJson(dataOf(frame));
    const error = isJsonObject(answer) ? answer.error : null;
    if (error === undefined || error === null) return true;
    this.#error = errorText(error);
    return false;
  }
}

/** From the first to the last brace. */
function objectOf(frame: Buffer): Buffer {
  return frame.subarray(frame.indexOf(OPEN_BRACE), frame.lastIndexOf(CLOSE_BRACE) + 1);
}

/** Only frames without a delta are looked at so closely: they are rare. Comments are readable. */
function isReadable(frame: Buffer): boolean {
  const data = dataOf(frame);
  return data.trim() === "" || typeof tryJson(data) === "object";
}

function dataOf(frame: Buffer): string {
  const lines = frame.toString("utf8").split(/\r?\n/);
  const data = lines.filter((line) => line.startsWith("data:"));
  return data.map((line) => line.slice(5)).join("\n");
}

/** `data: [DONE]` or `data:[DONE]` */
function isDone(frame: Buffer): boolean {
  const at = frame.indexOf(DONE);
  return at >= 5 && at <= 6 && frame.toString("latin1", 0, 5) === "data:";
}
