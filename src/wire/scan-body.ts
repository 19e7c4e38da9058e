import { asBuffer } from "../core/as-buffer.ts";
import { isUtf8 } from "node:buffer";
import type { JsonObject, JsonValue } from "../core/chat-request.ts";
import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import { JsonScanner, MAX_DEPTH, type ScanProblem } from "./json-scanner.ts";
import { decodeString } from "./object-keys.ts";

/** Byte offsets into the body, ends exclusive. `keyStart` is the key's opening quote. */
export interface Span {
  readonly keyStart: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

const NO_BYTES = Buffer.alloc(0);
const NO_MEMBERS: ReadonlyMap<string, Span> = new Map();

/** A request body known to be a valid JSON object without duplicate keys, and where its top-level members lie. */
export class ScannedBody {
  #bytes: Buffer;
  #members: ReadonlyMap<string, Span>;

  constructor(bytes: Buffer, members: ReadonlyMap<string, Span>) {
    this.#bytes = bytes;
    this.#members = members;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** In the order of the body. */
  get members(): ReadonlyMap<string, Span> {
    return this.#members;
  }

  /** Nobody reads it any more: its memory is given back, and from now on it is empty. */
  letGo(): void {
    this.#bytes = NO_BYTES;
    this.#members = NO_MEMBERS;
  }

  get(name: string): Span | undefined {
    return this.members.get(name);
  }

  has(name: string): boolean {
    return this.members.has(name);
  }

  /** The decoded text; undefined when absent or not a string. */
  string(name: string): string | undefined {
    const span = this.members.get(name);
    if (!span || this.bytes[span.valueStart] !== 0x22) return undefined;
    return decodeString(this.bytes, span.valueStart, span.valueEnd);
  }

  /** Undefined when absent or not a number. */
  number(name: string): number | undefined {
    const span = this.members.get(name);
    const first = span && this.bytes[span.valueStart];
    if (span === undefined || first === undefined || !(first === 0x2d || (first >= 0x30 && first <= 0x39)))
      return undefined;
    return toWholeNumber(this.bytes, span.valueStart, span.valueEnd) ?? Number(this.raw(name));
  }

  /** Undefined when absent or neither `true` nor `false`. */
  boolean(name: string): boolean | undefined {
    const span = this.members.get(name);
    const first = span && this.bytes[span.valueStart];
    return first === 0x74 ? true : first === 0x66 ? false : undefined;
  }

  /** The value's own JSON text. */
  raw(name: string): string | undefined {
    const span = this.members.get(name);
    if (!span) return undefined;
    return this.bytes.toString("utf8", span.valueStart, span.valueEnd);
  }

  /** Whether the value's own JSON text holds this. */
  includes(name: string, text: string): boolean {
    const span = this.members.get(name);
    if (!span) return false;
    const at = this.bytes.indexOf(text, span.valueStart);
    return at >= 0 && at + Buffer.byteLength(text) <= span.valueEnd;
  }

  /** Parses one member; for small ones such as `stream_options`. */
  json(name: string): JsonValue | undefined {
    const raw = this.raw(name);
    return raw === undefined ? undefined : (JSON.parse(raw) as JsonValue);
  }

  /** The whole body as a value, for translation. */
  parse(): JsonObject {
    return JSON.parse(this.bytes.toString("utf8")) as JsonObject;
  }
}

/** Null: it is not just a few digits. */
function toWholeNumber(bytes: Buffer, start: number, end: number): number | null {
  if (end - start > 9) return null;
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (bytes[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return value;
}

/**
 * One pass over a request body. Accepts what `JSON.parse` accepts, if it is an object, valid UTF-8 without half
 * characters, at most `MAX_DEPTH` deep and has no key twice in any object: parsers disagree on which of two wins, so a second `model`
 * would be a way around policy.
 */
export function scanBody(body: Uint8Array): Result<ScannedBody, Failure> {
  const bytes = asBuffer(body);
  if (!isUtf8(bytes)) return err(invalid(null, "The request body is not valid UTF-8."));
  const members = new Map<string, Span>();
  const problem = new JsonScanner(bytes).scan((key, keyStart, valueStart, valueEnd) => {
    members.set(key, { keyStart, valueStart, valueEnd });
  });
  return problem ? err(describe(bytes, problem)) : ok(new ScannedBody(bytes, members));
}

function describe(bytes: Buffer, problem: ScanProblem): Failure {
  switch (problem.what) {
    case "duplicate": {
      const key = problem.key.length > 64 ? `${problem.key.slice(0, 64)}…` : problem.key;
      return invalid(
        key,
        `The request body has the key ${JSON.stringify(key)} twice in one object (byte ${problem.at}).`,
      );
    }
    case "depth":
      return invalid(null, `The request body is nested deeper than ${MAX_DEPTH} levels (byte ${problem.at}).`);
    case "surrogate":
      return invalid(null, `The request body has half a character (a lone surrogate) at byte ${problem.at}.`);
    case "syntax":
      if (bytes.length === 0) return invalid(null, "The request body is empty; a JSON object is needed.");
      return invalid(null, `The request body is not a valid JSON object: ${unexpected(bytes, problem.at)}.`);
  }
}

function unexpected(bytes: Uint8Array, at: number): string {
  const byte = bytes[at];
  if (byte === undefined) return "it ends too early";
  const shown = byte > 0x20 && byte < 0x7f ? ` ${JSON.stringify(String.fromCharCode(byte))}` : "";
  return `unexpected character${shown} at byte ${at}`;
}

function invalid(field: string | null, message: string): Failure {
  return { kind: "invalid_request", field, message };
}
