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
  for (const key of CONTENT_KEYS) if (isAt(frame, start, end, key)) return true;
  return false;
}

export function skipSpace(frame: Buffer, at: number): number {
  let i = at;
  while (frame[i] === 0x20 || frame[i] === 0x0a || frame[i] === 0x0d || frame[i] === 0x09) i += 1;
  return i;
}

/**
 * Where the values of these members of the object that the bytes are begin and end, in pairs; -1 for those that are
 * missing. Null: the bytes are no object from their first to their last. What stands inside of a value is not looked at.
 */
export function findMembers(bytes: Buffer, names: readonly Buffer[]): number[] | null {
  const found: number[] = [];
  for (let name = 0; name < names.length; name += 1) found.push(-1, -1);
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== 0x7b) return null;
  do {
    at = skipSpace(bytes, at + 1);
    if (bytes[at] !== QUOTE) return null;
    const keyEnd = stringEnd(bytes, at);
    const colon = skipSpace(bytes, keyEnd + 1);
    if (bytes[colon] !== 0x3a) return null;
    const start = skipSpace(bytes, colon + 1);
    const end = skipValue(bytes, start);
    for (let name = 0; name < names.length; name += 1) {
      if (!isAt(bytes, at + 1, keyEnd, names[name] ?? bytes)) continue;
      found[2 * name] = start;
      found[2 * name + 1] = end;
    }
    at = skipSpace(bytes, end);
  } while (bytes[at] === 0x2c);
  return bytes[at] === 0x7d && skipSpace(bytes, at + 1) === bytes.length ? found : null;
}

function isAt(bytes: Buffer, start: number, end: number, key: Buffer): boolean {
  if (key.length !== end - start) return false;
  let same = 0;
  while (same < key.length && bytes[start + same] === key[same]) same += 1;
  return same === key.length;
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
