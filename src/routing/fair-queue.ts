/** A request that waits, as the queue sees it. */
export interface Waiting {
  readonly keyId: string;
  /** It can wait: interactive requests go before it. */
  readonly batch: boolean;
  /** What serving it is charged to its key. */
  readonly costTokens: number;
  /** How often others went before it because they suited what came free better. */
  passed: number;
}

/** What came free, for one who waits: it cannot have it, it can, or it is just what it needs. */
export type Fit = "no" | "yes" | "well";

/** So many are looked at for one whom it suits well. */
const LOOK_AHEAD = 64;

/** Of so many requests that are served, one is of the batch class when any waits: it is slow, never stuck. */
const BATCH_TURN = 8;

/**
 * Those who wait for a slot of one model, fair across keys: each key has a counter of the tokens that it was served, and
 * the key with the lowest goes next; a key that was away starts no lower than the lowest there is, so that nobody saves
 * up turns.
 * Within a key first come, first served. Interactive requests go before batch ones.
 */
export class FairQueue<T extends Waiting> {
  readonly #interactive = new ClassQueue<T>();
  readonly #batch = new ClassQueue<T>();
  /** Requests served since a batch one was. */
  #sinceBatch = 0;
  /** Worked out when first asked for after a change: everybody who waits asks several times a second. */
  #positions: ReadonlyMap<T, number> | null = null;

  get length(): number {
    return this.#interactive.length + this.#batch.length;
  }

  push(entry: T): void {
    this.#positions = null;
    this.#classOf(entry).push(entry);
  }

  /** False when it is not there any more. */
  remove(entry: T): boolean {
    this.#positions = null;
    return this.#classOf(entry).remove(entry);
  }

  /**
   * Takes out the next whom it fits, and charges its key; null: it fits none. One whom it fits well goes before others, who
   * are passed over `mostPassed` times at the most.
   */
  next(fits: (entry: T) => Fit, mostPassed = 0): T | null {
    this.#positions = null;
    const first = this.#batchFirst() ? this.#batch : this.#interactive;
    const second = first === this.#batch ? this.#interactive : this.#batch;
    const entry = first.next(fits, mostPassed) ?? second.next(fits, mostPassed);
    if (entry !== null) this.#sinceBatch = entry.batch ? 0 : this.#sinceBatch + 1;
    return entry;
  }

  /** What serving a request really cost, where that was known only afterwards. */
  charge({ keyId, batch }: Pick<Waiting, "keyId" | "batch">, moreTokens: number): void {
    this.#positions = null;
    (batch ? this.#batch : this.#interactive).charge(keyId, moreTokens);
  }

  /** The key with the most requests in the queue gives its newest up, when that is more than `keyId` has. */
  longestOther(keyId: string): T | null {
    const mine = this.#interactive.countOf(keyId) + this.#batch.countOf(keyId);
    return this.#batch.longest(mine) ?? this.#interactive.longest(mine);
  }

  /** 1: it is next; 0: it is not there. */
  positionOf(entry: T): number {
    this.#positions ??= new Map(this.order().map((waiting, at) => [waiting, at + 1]));
    return this.#positions.get(entry) ?? 0;
  }

  /** In the order in which they would be served if all fitted. */
  order(): T[] {
    const interactive = this.#interactive.order();
    const batch = this.#batch.order();
    const all: T[] = [];
    let since = this.#sinceBatch;
    while (interactive.length > 0 || batch.length > 0) {
      const turn = interactive.length === 0 || (batch.length > 0 && since >= BATCH_TURN - 1);
      const entry = turn ? batch.shift() : interactive.shift();
      if (entry !== undefined) all.push(entry);
      since = turn ? 0 : since + 1;
    }
    return all;
  }

  #batchFirst(): boolean {
    return this.#batch.length > 0 && (this.#interactive.length === 0 || this.#sinceBatch >= BATCH_TURN - 1);
  }

  #classOf({ batch }: Waiting): ClassQueue<T> {
    return batch ? this.#batch : this.#interactive;
  }
}

interface KeyLine<T> {
  readonly entries: T[];
  servedTokens: number;
}

/** Counters of keys that are away: enough of them that a key cannot shed its own by waiting for others to come. */
const MOST_AWAY = 1024;

/** One priority class. */
class ClassQueue<T extends Waiting> {
  readonly #lines = new Map<string, KeyLine<T>>();
  /** Counters of keys that have nothing waiting just now. */
  readonly #away = new Map<string, number>();
  /** The counter of the key that was served last: where a key starts that finds nobody. */
  #levelTokens = 0;
  length = 0;

  push(entry: T): void {
    let line = this.#lines.get(entry.keyId);
    if (line === undefined) {
      line = { entries: [], servedTokens: Math.max(this.#away.get(entry.keyId) ?? 0, this.#level()) };
      this.#away.delete(entry.keyId);
      this.#lines.set(entry.keyId, line);
    }
    line.entries.push(entry);
    this.length += 1;
  }

  remove(entry: T): boolean {
    const line = this.#lines.get(entry.keyId);
    const at = line?.entries.indexOf(entry) ?? -1;
    if (line === undefined || at < 0) return false;
    line.entries.splice(at, 1);
    this.length -= 1;
    if (line.entries.length === 0) this.#leave(entry.keyId, line);
    return true;
  }

  next(fits: (entry: T) => Fit, mostPassed: number): T | null {
    const passed: T[] = [];
    let looked = 0;
    for (const line of this.#byService()) {
      for (const entry of line.entries) {
        const fit = fits(entry);
        if (fit === "no") continue;
        looked += 1;
        const [first = entry] = passed;
        if (fit === "well" || first.passed >= mostPassed || looked === LOOK_AHEAD) {
          const taken = fit === "well" && first.passed < mostPassed ? entry : first;
          if (taken === entry) for (const other of passed) other.passed += 1;
          return this.#takeOut(taken);
        }
        passed.push(entry);
      }
    }
    const [first] = passed;
    return first === undefined ? null : this.#takeOut(first);
  }

  #takeOut(entry: T): T {
    const line = this.#lines.get(entry.keyId);
    if (line !== undefined) {
      this.#levelTokens = Math.max(this.#levelTokens, line.servedTokens);
      line.servedTokens += entry.costTokens;
    }
    this.remove(entry);
    return entry;
  }

  charge(keyId: string, moreTokens: number): void {
    const line = this.#lines.get(keyId);
    if (line !== undefined) line.servedTokens += moreTokens;
    const away = this.#away.get(keyId);
    if (away !== undefined) this.#away.set(keyId, away + moreTokens);
  }

  countOf(keyId: string): number {
    return this.#lines.get(keyId)?.entries.length ?? 0;
  }

  longest(moreThan: number): T | null {
    let longest: KeyLine<T> | null = null;
    for (const line of this.#lines.values()) {
      if (line.entries.length > Math.max(moreThan, longest?.entries.length ?? 0)) longest = line;
    }
    return longest?.entries.at(-1) ?? null;
  }

  order(): T[] {
    const lines = this.#byService().map(({ entries, servedTokens }) => ({ entries, at: 0, servedTokens }));
    const all: T[] = [];
    while (all.length < this.length) {
      let next: (typeof lines)[number] | null = null;
      for (const line of lines)
        if (line.at < line.entries.length && (next === null || line.servedTokens < next.servedTokens)) next = line;
      const entry = next?.entries[next.at];
      if (next === null || entry === undefined) break;
      next.at += 1;
      next.servedTokens += entry.costTokens;
      all.push(entry);
    }
    return all;
  }

  /** Who was served least comes first; of equals who came first. */
  #byService(): KeyLine<T>[] {
    return [...this.#lines.values()].toSorted((a, b) => a.servedTokens - b.servedTokens);
  }

  #leave(keyId: string, { servedTokens }: KeyLine<T>): void {
    this.#lines.delete(keyId);
    this.#away.set(keyId, servedTokens);
    if (this.#away.size <= MOST_AWAY) return;
    const level = this.#level();
    for (const [key, tokens] of this.#away) if (tokens <= level) this.#away.delete(key);
    const [oldest] = this.#away.keys();
    if (this.#away.size > MOST_AWAY && oldest !== undefined) this.#away.delete(oldest);
  }

  #level(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const { servedTokens } of this.#lines.values()) lowest = Math.min(lowest, servedTokens);
    return lowest === Number.POSITIVE_INFINITY ? this.#levelTokens : lowest;
  }
}
