/** Objects with more keys than this find their duplicates with a Set, smaller ones by comparing spans. */
const SPAN_COMPARED_KEYS = 8;

// Lent to each scan in turn: a scan is synchronous, and reads only what it wrote.
const SCRATCH_STARTS = new Int32Array(256);
const SCRATCH_ENDS = new Int32Array(256);

/**
 * The keys of all objects that are open at one point of a JSON text, to find the second of two equal ones. Kept as
 * spans on one stack, so that the many small objects of a tool schema allocate nothing.
 */
export class ObjectKeys {
  readonly #bytes: Buffer;
  #starts = SCRATCH_STARTS;
  #ends = SCRATCH_ENDS;
  #count = 0;
  readonly #sets: (Set<string> | undefined)[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** An object opens: where its keys will begin. */
  get base(): number {
    return this.#count;
  }

  /** The object at `depth` closes, whose keys began at `base`. */
  close(depth: number, base: number): void {
    this.#count = base;
    this.#sets[depth] = undefined;
  }

  /** Notes a key, quotes included; false: the object has it already, however it is escaped. */
  add(depth: number, base: number, start: number, end: number, escaped: boolean): boolean {
    const set = this.#sets[depth];
    if (set || escaped || this.#count - base >= SPAN_COMPARED_KEYS) {
      return this.#addToSet(depth, set ?? this.#toSet(base), start, end);
    }
    for (let i = base; i < this.#count; i += 1) {
      if (this.#isSame(this.#starts[i] ?? 0, this.#ends[i] ?? 0, start, end)) return false;
    }
    if (this.#count === this.#starts.length) this.#grow();
    this.#starts[this.#count] = start;
    this.#ends[this.#count] = end;
    this.#count += 1;
    return true;
  }

  #addToSet(depth: number, set: Set<string>, start: number, end: number): boolean {
    const key = decodeString(this.#bytes, start, end);
    if (set.has(key)) return false;
    set.add(key);
    this.#sets[depth] = set;
    return true;
  }

  #toSet(base: number): Set<string> {
    const set = new Set<string>();
    for (let i = base; i < this.#count; i += 1) {
      set.add(decodeString(this.#bytes, this.#starts[i] ?? 0, this.#ends[i] ?? 0));
    }
    return set;
  }

  #isSame(start: number, end: number, otherStart: number, otherEnd: number): boolean {
    if (end - start !== otherEnd - otherStart) return false;
    for (let i = start + 1, j = otherStart + 1; i < end; i += 1, j += 1) {
      if (this.#bytes[i] !== this.#bytes[j]) return false;
    }
    return true;
  }

  #grow(): void {
    const starts = new Int32Array(this.#starts.length * 2);
    const ends = new Int32Array(this.#starts.length * 2);
    starts.set(this.#starts);
    ends.set(this.#ends);
    this.#starts = starts;
    this.#ends = ends;
  }
}

/** Names that nearly every request has: they are recognised, which costs less than making them anew. */
const KNOWN_NAMES: ReadonlyMap<number, { readonly text: string; readonly bytes: Uint8Array }> = new Map(
  "model messages stream temperature max_tokens stream_options tools tool_choice top_p seed stop input system instructions store metadata thinking max_completion_tokens parallel_tool_calls response_format reasoning_effort user"
    .split(" ")
    .map((text) => {
      const bytes = Buffer.from(text);
      return [markOf(bytes, 0, bytes.length), { text, bytes }];
    }),
);

/** Its length, first and last byte. */
function markOf(bytes: Uint8Array, start: number, length: number): number {
  return (length << 16) | ((bytes[start] ?? 0) << 8) | (bytes[start + length - 1] ?? 0);
}

/** As `decodeString`, for the name of a member. */
export function decodeName(bytes: Buffer, start: number, end: number): string {
  const known = KNOWN_NAMES.get(markOf(bytes, start + 1, end - start - 2));
  if (known === undefined) return decodeString(bytes, start, end);
  const { length } = known.bytes;
  for (let at = 0; at < length; at += 1) {
    if (bytes[start + 1 + at] !== known.bytes[at]) return decodeString(bytes, start, end);
  }
  return known.text;
}

/** The text of a valid JSON string whose quotes stand at `start` and `end - 1`. */
export function decodeString(bytes: Buffer, start: number, end: number): string {
  const raw = bytes.toString("utf8", start + 1, end - 1);
  return raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw;
}
