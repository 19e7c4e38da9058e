import { decodeName, decodeString, ObjectKeys } from "./object-keys.ts";

/**
 * Reads JSON bytes (RFC 8259) without building a value: it says whether they are valid, nested no deeper than the
 * limit and free of duplicate keys, and calls nothing back but `onMember` for the members of the top-level object.
 * The bytes must be valid UTF-8; see `scan-body.ts`. One pass, no allocation per value: it is on the path of every
 * request, and bodies are mostly long strings.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Deeper bodies exist to exhaust a stack; real tool schemas stay far below. */
export const MAX_DEPTH = 100;

// Lent to each scan in turn: a scan is synchronous, and reads only what it wrote.
const SCRATCH_FRAMES = new Int32Array(MAX_DEPTH + 1);
/** Copying a small body here costs less than a view of it by words, which few bodies allow anyway. */
const SCRATCH_WORDS = new Int32Array(16 * 1024);
const SCRATCH_BYTES = new Uint8Array(SCRATCH_WORDS.buffer);

export type ScanProblem =
  | { readonly what: "syntax"; readonly at: number }
  | { readonly what: "depth"; readonly at: number }
  /** Half a character: no text has it, and engines fail on it in ways of their own. */
  | { readonly what: "surrogate"; readonly at: number }
  | { readonly what: "duplicate"; readonly at: number; readonly key: string };

/** Spans are byte offsets, ends exclusive; `keyStart` is that of the key's opening quote. */
export type OnMember = (key: string, keyStart: number, valueStart: number, valueEnd: number) => void;

/** What may stand at the cursor next. */
const VALUE = 0;
const VALUE_OR_END = 1;
const KEY = 2;
const KEY_OR_END = 3;
const AFTER_VALUE = 4;

export class JsonScanner {
  readonly #bytes: Buffer;
  readonly #length: number;
  /** The same bytes four at a time. */
  readonly #words: Int32Array;
  #at = 0;
  #problem: ScanProblem | null = null;
  /** Set by `#string`: the last string has a backslash. */
  #escaped = false;
  readonly #keys: ObjectKeys;
  /** By depth: where the keys of the open object begin, -1 for an array. */
  readonly #frames = SCRATCH_FRAMES;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#length = bytes.length;
    this.#keys = new ObjectKeys(bytes);
    this.#words = wordsOf(bytes);
  }

  /** Scans the whole of the bytes; null: all is well. The top level must be an object. */
  scan(onMember: OnMember): ScanProblem | null {
    this.#skipSpace();
    if (this.#bytes[this.#at] !== 0x7b) return { what: "syntax", at: this.#at };
    const end = this.#members(onMember);
    if (!end) return this.#problem ?? { what: "syntax", at: this.#at };
    this.#skipSpace();
    return this.#at === this.#length ? null : { what: "syntax", at: this.#at };
  }

  #members(onMember: OnMember): boolean {
    const bytes = this.#bytes;
    let depth = 0;
    let expect = VALUE;
    let keyStart = 0;
    let topKey = "";
    let topValueStart = 0;
    for (;;) {
      this.#skipSpace();
      const start = this.#at;
      const byte = bytes[start];
      if (expect === AFTER_VALUE) {
        const base = this.#frames[depth] ?? -1;
        if (byte === 0x2c) {
          this.#at = start + 1;
          expect = base < 0 ? VALUE : KEY;
          continue;
        }
        if (byte !== (base < 0 ? 0x5d : 0x7d)) return false;
      }
      if (byte === 0x7d || byte === 0x5d) {
        const base = this.#frames[depth] ?? -1;
        if (expect === VALUE || expect === KEY || base >= 0 !== (byte === 0x7d)) return false;
        this.#at = start + 1;
        if (base >= 0) this.#keys.close(depth, base);
        depth -= 1;
        if (depth === 0) return true;
        if (depth === 1) onMember(topKey, keyStart, topValueStart, this.#at);
        expect = AFTER_VALUE;
        continue;
      }
      if (expect === KEY || expect === KEY_OR_END) {
        if (byte !== QUOTE || !this.#string()) return false;
        if (!this.#keys.add(depth, this.#frames[depth] ?? 0, start, this.#at, this.#escaped)) {
          this.#problem = { what: "duplicate", at: start, key: decodeString(bytes, start, this.#at) };
          return false;
        }
        if (depth === 1) {
          keyStart = start;
          topKey = decodeName(bytes, start, this.#at);
        }
        this.#skipSpace();
        if (bytes[this.#at] !== 0x3a) return false;
        this.#at += 1;
        expect = VALUE;
        continue;
      }
      if (depth === 1) topValueStart = start;
      if (byte === 0x7b || byte === 0x5b) {
        if (depth === MAX_DEPTH) {
          this.#problem = { what: "depth", at: start };
          return false;
        }
        depth += 1;
        this.#frames[depth] = byte === 0x7b ? this.#keys.base : -1;
        this.#at = start + 1;
        expect = byte === 0x7b ? KEY_OR_END : VALUE_OR_END;
        continue;
      }
      if (byte === QUOTE ? !this.#string() : !this.#literal(byte)) return false;
      if (depth === 1) onMember(topKey, keyStart, topValueStart, this.#at);
      expect = AFTER_VALUE;
    }
  }

  #skipSpace(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    let byte = bytes[at];
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
      at += 1;
      byte = bytes[at];
    }
    this.#at = at;
  }

  /** From the opening quote to behind the closing one. */
  #string(): boolean {
    const bytes = this.#bytes;
    const length = this.#length;
    const words = this.#words;
    let at = this.#at + 1;
    this.#escaped = false;
    for (;;) {
      let byte = 0;
      while (at < length && (byte = bytes[at] as number) !== QUOTE && byte !== BACKSLASH && byte >= 0x20) {
        at += 1;
        if ((at & 3) === 0) at = skipPlainWords(words, at >> 2, length >> 2) << 2;
      }
      if (at >= length) {
        this.#at = length;
        return false;
      }
      if (byte === QUOTE) {
        this.#at = at + 1;
        return true;
      }
      if (byte !== BACKSLASH) {
        this.#at = at;
        return false;
      }
      this.#escaped = true;
      const escape = bytes[at + 1];
      if (escape === 0x75) {
        for (let digit = at + 2; digit < at + 6; digit += 1) {
          if (!isHexDigit(bytes[digit])) {
            this.#at = digit;
            return false;
          }
        }
        const end = endOfCharacter(bytes, at);
        if (end < 0) {
          this.#problem = { what: "surrogate", at };
          return false;
        }
        at = end;
      } else if (isSimpleEscape(escape)) {
        at += 2;
      } else {
        this.#at = at + 1;
        return false;
      }
    }
  }

  #literal(first: number | undefined): boolean {
    if (first === 0x74) return this.#word("true");
    if (first === 0x66) return this.#word("false");
    if (first === 0x6e) return this.#word("null");
    return this.#number();
  }

  #word(word: string): boolean {
    for (let i = 0; i < word.length; i += 1) {
      if (this.#bytes[this.#at + i] !== word.charCodeAt(i)) return false;
    }
    this.#at += word.length;
    return true;
  }

  #number(): boolean {
    if (this.#bytes[this.#at] === 0x2d) this.#at += 1;
    if (this.#bytes[this.#at] === 0x30) this.#at += 1;
    else if (!this.#digits()) return false;
    if (this.#bytes[this.#at] === 0x2e) {
      this.#at += 1;
      if (!this.#digits()) return false;
    }
    const exponent = this.#bytes[this.#at];
    if (exponent !== 0x65 && exponent !== 0x45) return true;
    this.#at += 1;
    const sign = this.#bytes[this.#at];
    if (sign === 0x2b || sign === 0x2d) this.#at += 1;
    return this.#digits();
  }

  #digits(): boolean {
    const start = this.#at;
    for (let byte = this.#bytes[this.#at]; byte !== undefined && byte >= 0x30 && byte <= 0x39;) {
      this.#at += 1;
      byte = this.#bytes[this.#at];
    }
    return this.#at > start;
  }
}

function wordsOf(bytes: Buffer): Int32Array {
  if (bytes.length <= SCRATCH_BYTES.length) {
    SCRATCH_BYTES.set(bytes);
    return SCRATCH_WORDS;
  }
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Int32Array(aligned.buffer, aligned.byteOffset, bytes.length >> 2);
}

/** The first word from `word` to `end` that may hold a quote, a backslash or a control character. */
function skipPlainWords(words: Int32Array, word: number, end: number): number {
  let i = word;
  while (i < end) {
    const x = words[i] as number;
    // A byte of these three is zero exactly where x has a quote, a backslash, or a byte below 0x20.
    const quote = x ^ 0x22222222;
    const backslash = x ^ 0x5c5c5c5c;
    const control = x & 0xe0e0e0e0;
    const zeros =
      (((quote - 0x01010101) | 0) & ~quote) |
      (((backslash - 0x01010101) | 0) & ~backslash) |
      (((control - 0x01010101) | 0) & ~control);
    if ((zeros & 0x80808080) !== 0) return i;
    i += 1;
  }
  return i;
}

/** Behind the character whose `\\u` escape stands at `at`, or behind its two halves; -1: the other half is missing. */
function endOfCharacter(bytes: Uint8Array, at: number): number {
  // U+D800 to U+DFFF: nearly no escape begins so.
  if (((bytes[at + 2] as number) | 0x20) !== 0x64 || (bytes[at + 3] as number) < 0x38) return at + 6;
  const low = at + 6;
  if (isSecondHalf(bytes, at) || bytes[low] !== BACKSLASH || bytes[low + 1] !== 0x75) return -1;
  for (let digit = low + 2; digit < low + 6; digit += 1) if (!isHexDigit(bytes[digit])) return -1;
  return ((bytes[low + 2] as number) | 0x20) === 0x64 && isSecondHalf(bytes, low) ? low + 6 : -1;
}

/** Of an escape that begins with `d`: is its second digit one of c to f? */
function isSecondHalf(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at + 3] as number) | 0x20) >= 0x63;
}

function isHexDigit(byte: number | undefined): boolean {
  return (
    byte !== undefined &&
    ((byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66))
  );
}

function isSimpleEscape(byte: number | undefined): boolean {
  switch (byte) {
    case 0x22:
    case 0x5c:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return true;
    default:
      return false;
  }
}
