export interface Limits {
  /** How long a response is kept after its last use. */
  readonly keepMs: number;
  readonly maxBytes: number;
  readonly maxBytesPerKey: number;
}

/** A kept response, by the names of its files. */
export interface Entry {
  readonly key: string;
  readonly name: string;
  /** What was said, oldest first; the last is its own. */
  readonly turns: readonly string[];
  readonly inputs: number;
  /** Of its own file. */
  readonly bytes: number;
  usedAt: number;
}

export interface FileName {
  readonly key: string;
  readonly file: string;
}

interface Turn {
  readonly bytes: number;
  holders: number;
}

/** Maps are in the order of use: the first entry is the one that was not used for longest. */
interface Shelf {
  readonly entries: Map<string, Entry>;
  readonly turns: Map<string, Turn>;
  bytes: number;
}

/** What a file costs beyond its text. */
const FILE_BYTES = 4096;

/** What is on disk, and what must go: every change gives the files that nobody needs any more. */
export class ResponseIndex {
  readonly #limits: Limits;
  readonly #shelves = new Map<string, Shelf>();
  readonly #byUse = new Set<Entry>();
  #bytes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  find(key: string, name: string): Entry | null {
    return this.#shelves.get(key)?.entries.get(name) ?? null;
  }

  hasTurn(key: string, turn: string): boolean {
    return this.#shelves.get(key)?.turns.has(turn) ?? false;
  }

  use(entry: Entry, now: number): void {
    const shelf = this.#shelves.get(entry.key);
    if (!shelf || !this.#byUse.has(entry)) return;
    entry.usedAt = now;
    this.#byUse.delete(entry);
    this.#byUse.add(entry);
    shelf.entries.delete(entry.name);
    shelf.entries.set(entry.name, entry);
  }

  /** Whether it could be kept at all, before anything is dropped for its sake. `sizes`: of turns that are not there yet. */
  fits(key: string, turns: readonly string[], sizes: ReadonlyMap<string, number>, bytes: number): boolean {
    const known = this.#shelves.get(key)?.turns;
    let whole = bytes + FILE_BYTES;
    for (const turn of turns)
      whole += sizes.has(turn) ? (sizes.get(turn) ?? 0) + FILE_BYTES : (known?.get(turn)?.bytes ?? 0);
    return whole <= Math.min(this.#limits.maxBytesPerKey, this.#limits.maxBytes);
  }

  /** Gives what had to go for it. */
  add(entry: Entry, sizes: ReadonlyMap<string, number>): FileName[] {
    const shelf = this.#shelves.get(entry.key) ?? { entries: new Map(), turns: new Map(), bytes: 0 };
    this.#shelves.set(entry.key, shelf);
    shelf.entries.set(entry.name, entry);
    this.#byUse.add(entry);
    this.#weigh(shelf, entry.bytes + FILE_BYTES);
    for (const name of entry.turns) {
      const turn = shelf.turns.get(name) ?? { bytes: (sizes.get(name) ?? 0) + FILE_BYTES, holders: 0 };
      if (turn.holders === 0) this.#weigh(shelf, turn.bytes);
      turn.holders += 1;
      shelf.turns.set(name, turn);
    }
    return [
      ...this.#dropWhile(shelf.entries.values(), () => shelf.bytes > this.#limits.maxBytesPerKey),
      ...this.#dropWhile(this.#byUse.values(), () => this.#bytes > this.#limits.maxBytes),
    ];
  }

  drop(entry: Entry): FileName[] {
    const { key } = entry;
    const shelf = this.#shelves.get(key);
    if (!shelf || !this.#byUse.delete(entry)) return [];
    const gone = [{ key, file: `r-${entry.name}.json` }];
    shelf.entries.delete(entry.name);
    this.#weigh(shelf, -entry.bytes - FILE_BYTES);
    for (const name of entry.turns) {
      const turn = shelf.turns.get(name);
      if (!turn) continue;
      turn.holders -= 1;
      if (turn.holders > 0) continue;
      shelf.turns.delete(name);
      this.#weigh(shelf, -turn.bytes);
      gone.push({ key, file: `t-${name}.json` });
    }
    if (shelf.entries.size === 0) this.#shelves.delete(key);
    return gone;
  }

  /** Drops what is too old. */
  sweep(now: number): FileName[] {
    const oldest = now - this.#limits.keepMs;
    const gone: FileName[] = [];
    for (const entry of this.#byUse) {
      if (entry.usedAt > oldest) break;
      gone.push(...this.drop(entry));
    }
    return gone;
  }

  #dropWhile(entries: Iterable<Entry>, tooMuch: () => boolean): FileName[] {
    const gone: FileName[] = [];
    for (const entry of entries) {
      if (!tooMuch()) break;
      gone.push(...this.drop(entry));
    }
    return gone;
  }

  #weigh(shelf: Shelf, bytes: number): void {
    shelf.bytes += bytes;
    this.#bytes += bytes;
  }
}
