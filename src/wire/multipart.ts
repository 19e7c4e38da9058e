import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";

/** One part of a form, by where its content lies in the body. */
export interface FormPart {
  readonly name: string;
  /** Null: a field, not a file. */
  readonly filename: string | null;
  readonly start: number;
  readonly end: number;
}

const MOST_PARTS = 64;
const MOST_HEAD_BYTES = 8192;
/** What RFC 2046 allows. */
const BOUNDARY = /^[\w'()+,./:=? -]{1,70}$/;

/** The boundary of a `multipart/form-data` content type; null: it is none. */
export function boundaryOf(contentType: string): string | null {
  if (!/^multipart\/form-data\s*(;|$)/i.test(contentType.trim())) return null;
  const found = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
  const boundary = found?.[1] ?? found?.[2] ?? "";
  return BOUNDARY.test(boundary) ? boundary : null;
}

/**
 * The parts of a form (RFC 7578) by their names, without copying what they hold. A form that is cut off, or that has a field twice, is
 * refused: two readers would see different ones.
 */
export function parseForm(bytes: Uint8Array, boundary: string): Result<ReadonlyMap<string, FormPart>, Failure> {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = new Map<string, FormPart>();
  const mark = Buffer.from(`--${boundary}`);
  const next = Buffer.from(`\r\n--${boundary}`);
  let at = body.indexOf(mark);
  if (at !== 0 && (at < 0 || body.toString("latin1", at - 2, at) !== "\r\n")) return wrong("its boundary is missing");
  at += mark.length;
  for (;;) {
    const after = body.toString("latin1", at, at + 2);
    if (after === "--") return ok(parts);
    if (after !== "\r\n") return wrong("it is cut off");
    const headEnd = body.indexOf("\r\n\r\n", at);
    if (headEnd < 0 || headEnd - at > MOST_HEAD_BYTES) return wrong("a part has no end of its headers");
    const start = headEnd + 4;
    const end = body.indexOf(next, headEnd + 2);
    if (end < start) return wrong("it is cut off");
    const head = body.toString("utf8", at + 2, headEnd);
    const disposition = /^content-disposition:\s*form-data(.*)$/im.exec(head)?.[1] ?? "";
    const name = parameter(disposition, "name");
    if (name === null) return wrong("a part has no name");
    const listed = name.endsWith("[]");
    if (parts.has(name) && !listed) return wrong(`it has the field ${JSON.stringify(name.slice(0, 60))} twice`);
    if (parts.size === MOST_PARTS) return wrong(`it has more than ${MOST_PARTS} parts`);
    // A list is said by saying its field again.
    const key = listed ? `${name}${parts.size}` : name;
    parts.set(key, { name, filename: parameter(disposition, "filename"), start, end });
    at = end + next.length;
  }
}

/** The text of a field. */
export function fieldText(bytes: Uint8Array, part: FormPart): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + part.start, part.end - part.start).toString("utf8");
}

/** The body with another text in one of its fields; every other byte as it was. */
export function withField(bytes: Uint8Array, part: FormPart, text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat([bytes.subarray(0, part.start), Buffer.from(text), bytes.subarray(part.end)]));
}

/** Of `; name="file"; filename="a b.mp3"`. */
function parameter(text: string, name: string): string | null {
  const found = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]+))`, "i").exec(text);
  return found?.[1] ?? found?.[2] ?? null;
}

function wrong(problem: string): Result<never, Failure> {
  return err({ kind: "invalid_request", field: null, message: `The form cannot be read: ${problem}.` });
}
