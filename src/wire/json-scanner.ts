/**
 * Reads JSON bytes (RFC 8259) without building a value: it says whether they are valid, nested no deeper than the
 * limit and free of duplicate keys, and calls nothing back but `onMember` for the members of the top-level object.
 * The bytes must be valid UTF-8; see `scan-body.ts`. One pass, no allocation per value: it is on the path of every
 * request, and bodies are mostly long strings.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NO_WORDS = new Int32Array(0);

/** Deeper bodies exist to exhaust a stack; real tool schemas stay far below. */
export const MAX_DEPTH = 100;

// Lent to each scanner in turn: a scan is synchronous, starts by writing what it reads, and never nests.
const SCRATCH_STARTS = new Int32Array(256);
const SCRATCH_ENDS = new Int32Array(256);
const SCRATCH_FRAMES = new Int32Array(MAX_DEPTH + 1);

/** Objects with more keys than this find their duplicates with a Set, smaller ones by comparing spans. */
const SPAN_COMPARED_KEYS = 8;

export type ScanProblem =
  | { readonly what: "syntax"; readonly at: number }
  | { readonly what: "depth"; readonly at: number }
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
  readonly #bytes: Uint8Array;
  readonly #length: number;
  /** The same bytes four at a time; empty when they do not start on a word. */
  readonly #words: Int32Array;
  #at = 0;
  #problem: ScanProblem | null = null;
  /** Set by `#string`: the last string has a backslash. */
  #escaped = false;
  // Keys of all open objects, as spans on one stack; `#frames[depth]` is where the object's own begin, -1: an array.
  #keyStarts = SCRATCH_STARTS;
  #keyEnds = SCRATCH_ENDS;
  #keyCount = 0;
  readonly #frames = SCRATCH_FRAMES;
  readonly #sets: (Set<string> | undefined)[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#length = bytes.length;
    const aligned = bytes.byteOffset % 4 === 0;
    this.#words = aligned ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) : NO_WORDS;
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
        const isObject = (this.#frames[depth] ?? -1) >= 0;
        if (expect === VALUE || expect === KEY || isObject !== (byte === 0x7d)) return false;
        this.#at = start + 1;
        this.#close(depth);
        depth -= 1;
        if (depth === 0) return true;
        if (depth === 1) onMember(topKey, keyStart, topValueStart, this.#at);
        expect = AFTER_VALUE;
        continue;
      }
      if (expect === KEY || expect === KEY_OR_END) {
        if (byte !== QUOTE || !this.#string()) return false;
        const key = this.#newKey(depth, start, this.#at);
        if (key === null) return false;
        if (depth === 1) {
          keyStart = start;
          topKey = key;
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
        this.#frames[depth] = byte === 0x7b ? this.#keyCount : -1;
        this.#at = start + 1;
        expect = byte === 0x7b ? KEY_OR_END : VALUE_OR_END;
        continue;
      }
      if (byte === QUOTE ? !this.#string() : !this.#literal(byte)) return false;
      if (depth === 1) onMember(topKey, keyStart, topValueStart, this.#at);
      expect = AFTER_VALUE;
    }
  }

  #close(depth: number): void {
    const base = this.#frames[depth] ?? -1;
    if (base < 0) return;
    this.#keyCount = base;
    this.#sets[depth] = undefined;
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
        if ((at & 3) === 0) at = skipPlainWords(words, at >> 2) << 2;
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
        at += 6;
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
    for (let byte = this.#bytes[this.#at]; byte !== undefined && byte >= 0x30 && byte <= 0x39; ) {
      this.#at += 1;
      byte = this.#bytes[this.#at];
    }
    return this.#at > start;
  }

  /** Notes a key of the open object; null when it has it already. The decoded key is worked out on the top level only. */
  #newKey(depth: number, start: number, end: number): string | null {
    const base = this.#frames[depth] ?? 0;
    const set = this.#sets[depth];
    if (set || this.#escaped || this.#keyCount - base >= SPAN_COMPARED_KEYS) {
      return this.#newKeyInSet(depth, set ?? this.#toSet(base), start, end);
    }
    for (let i = base; i < this.#keyCount; i += 1) {
      if (this.#sameBytes(this.#keyStarts[i] ?? 0, this.#keyEnds[i] ?? 0, start, end)) return this.#duplicate(start, end);
    }
    if (this.#keyCount === this.#keyStarts.length) this.#growKeys();
    this.#keyStarts[this.#keyCount] = start;
    this.#keyEnds[this.#keyCount] = end;
    this.#keyCount += 1;
    return depth === 1 ? this.#decoded(start, end) : "";
  }

  #newKeyInSet(depth: number, set: Set<string>, start: number, end: number): string | null {
    const key = this.#decoded(start, end);
    if (set.has(key)) return this.#duplicate(start, end);
    set.add(key);
    this.#sets[depth] = set;
    return key;
  }

  #toSet(base: number): Set<string> {
    const set = new Set<string>();
    for (let i = base; i < this.#keyCount; i += 1) set.add(this.#decoded(this.#keyStarts[i] ?? 0, this.#keyEnds[i] ?? 0));
    return set;
  }

  #sameBytes(start: number, end: number, otherStart: number, otherEnd: number): boolean {
    if (end - start !== otherEnd - otherStart) return false;
    for (let i = start + 1, j = otherStart + 1; i < end; i += 1, j += 1) {
      if (this.#bytes[i] !== this.#bytes[j]) return false;
    }
    return true;
  }

  #duplicate(start: number, end: number): null {
    this.#problem = { what: "duplicate", at: start, key: this.#decoded(start, end) };
    return null;
  }

  #decoded(start: number, end: number): string {
    return decodeString(this.#bytes, start, end);
  }

  #growKeys(): void {
    const starts = new Int32Array(this.#keyStarts.length * 2);
    const ends = new Int32Array(this.#keyStarts.length * 2);
    starts.set(this.#keyStarts);
    ends.set(this.#keyEnds);
    this.#keyStarts = starts;
    this.#keyEnds = ends;
  }
}

/** The first word from `word` on that may hold a quote, a backslash or a control character. */
function skipPlainWords(words: Int32Array, word: number): number {
  const end = words.length;
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

/** The text of a valid JSON string whose quotes stand at `start` and `end - 1`. */
export function decodeString(bytes: Uint8Array, start: number, end: number): string {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
  return raw.includes("\\") ? (JSON.parse(raw) as string) : raw.slice(1, -1);
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
