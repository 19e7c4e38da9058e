/** Reads single facts out of the bytes of a stream chunk, without parsing it. Chunks are the engine's, not a client's. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const CONTENT_KEYS = ["content", "reasoning_content", "reasoning", "tool_calls", "refusal"].map((key) => Buffer.from(key));

/**
 * Whether the delta object has text, thinking, a tool call or a refusal. `at` is behind the key `"delta"`. Walks over
 * the first members only: deltas are small, and the one that matters mostly stands first.
 */
export function deltaHasContent(frame: Buffer, at: number): boolean {
  let i = skipSpace(frame, at);
  if (frame[i] !== 0x3a) return false;
  i = skipSpace(frame, i + 1);
  if (frame[i] !== 0x7b) return false;
  i += 1;
  for (;;) {
    i = skipSpace(frame, i);
    if (frame[i] !== QUOTE) return false;
    const keyEnd = frame.indexOf(QUOTE, i + 1);
    if (keyEnd < 0) return false;
    const isContent = isContentKey(frame, i + 1, keyEnd);
    i = skipSpace(frame, keyEnd + 1);
    if (frame[i] !== 0x3a) return false;
    i = skipSpace(frame, i + 1);
    const first = frame[i];
    if (isContent) {
      if (first === QUOTE && frame[i + 1] !== QUOTE) return true;
      if (first === 0x5b && frame[skipSpace(frame, i + 1)] !== 0x5d) return true;
    }
    i = skipValue(frame, i);
    i = skipSpace(frame, i);
    if (frame[i] !== 0x2c) return false;
    i += 1;
  }
}

/**
 * Whether the key (with its quotes) stands in the frame and its value begins with this character. Inside a string the
 * quotes would be escaped, so a match is a key, or a string value that no colon follows.
 */
export function valueStartsWith(frame: Buffer, key: Buffer, first: number): boolean {
  for (let at = frame.indexOf(key); at >= 0; at = frame.indexOf(key, at + key.length)) {
    const colon = skipSpace(frame, at + key.length);
    if (frame[at - 1] === BACKSLASH || frame[colon] !== 0x3a) continue;
    if (frame[skipSpace(frame, colon + 1)] === first) return true;
  }
  return false;
}

function isContentKey(frame: Buffer, start: number, end: number): boolean {
  for (const key of CONTENT_KEYS) {
    if (key.length !== end - start) continue;
    let same = 0;
    while (same < key.length && frame[start + same] === key[same]) same += 1;
    if (same === key.length) return true;
  }
  return false;
}

function skipSpace(frame: Buffer, at: number): number {
  let i = at;
  while (frame[i] === 0x20 || frame[i] === 0x0a || frame[i] === 0x0d || frame[i] === 0x09) i += 1;
  return i;
}

/** Behind a string, a literal, or an object or list (brackets inside strings do not count). */
function skipValue(frame: Buffer, at: number): number {
  let depth = 0;
  let i = at;
  for (; i < frame.length; i += 1) {
    const byte = frame[i];
    if (byte === QUOTE) {
      i = stringEnd(frame, i);
      if (depth === 0) return i + 1;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
    } else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 0) return i;
      depth -= 1;
      if (depth === 0) return i + 1;
    } else if (byte === 0x2c && depth === 0) {
      return i;
    }
  }
  return i;
}

/** The closing quote of the string that opens at `at`. */
function stringEnd(frame: Buffer, at: number): number {
  let i = at + 1;
  while (i < frame.length && frame[i] !== QUOTE) i += frame[i] === BACKSLASH ? 2 : 1;
  return i;
}
