/** Reads single facts out of the bytes of a stream chunk, without parsing it. Chunks are the engine's, not a client's. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const CONTENT_KEYS = ["content", "reasoning_content", "reasoning", "tool_calls", "refusal"].map((key) =>
  Buffer.from(key),
);

/**
 * Where the value of a key (given with its quotes) begins, from `from` on; -1 when there is none. Inside a string the
 * quotes would be escaped, so what a colon follows is a key.
 */
export function findValue(frame: Buffer, key: Buffer, from = 0): number {
  for (let at = frame.indexOf(key, from); at >= 0; at = frame.indexOf(key, at + key.length)) {
    const colon = skipSpace(frame, at + key.length);
    if (frame[colon] === 0x3a && frame[at - 1] !== BACKSLASH) return skipSpace(frame, colon + 1);
  }
  return -1;
}

/** Whether this key has a value somewhere in the frame that begins with this character. */
export function valueStartsWith(frame: Buffer, key: Buffer, first: number): boolean {
  for (let at = findValue(frame, key); at >= 0; at = findValue(frame, key, at)) {
    if (frame[at] === first) return true;
  }
  return false;
}

/**
 * Whether the delta object that begins at `at` has text, thinking, a tool call or a refusal. Walks over its members:
 * deltas are small, and the one that matters mostly stands first.
 */
export function deltaHasContent(frame: Buffer, at: number): boolean {
  if (frame[at] !== 0x7b) return false;
  let i = at + 1;
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
