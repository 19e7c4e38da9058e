/** A name that clients may use for a model, or for another alias. */
export interface AliasRow {
  readonly name: string;
  readonly model: string;
  /** The one key that it is for; null: everybody. */
  readonly keyId: string | null;
}

const NOBODYS: ReadonlyMap<string, string> = new Map();

/** All aliases at one moment. A key's own alias hides everybody's of the same name. */
export class AliasTable {
  readonly #everybodys = new Map<string, string>();
  readonly #byKey = new Map<string, Map<string, string>>();

  constructor(rows: Iterable<AliasRow>) {
    for (const { name, model, keyId } of rows) {
      if (keyId === null) {
        this.#everybodys.set(name, model);
        continue;
      }
      const own = this.#byKey.get(keyId) ?? new Map<string, string>();
      this.#byKey.set(keyId, own.set(name, model));
    }
  }

  /** What stands behind a name, one step on; undefined: it is no alias. */
  next(name: string, keyId: string): string | undefined {
    return (this.#byKey.get(keyId) ?? NOBODYS).get(name) ?? this.#everybodys.get(name);
  }

  /** Every step behind a name, to its end. Ends at a name that was there before: tables in the store may hold a loop. */
  chain(name: string, keyId: string): readonly string[] {
    const steps: string[] = [];
    const seen = new Set([name]);
    for (let at = this.next(name, keyId); at !== undefined && !seen.has(at); at = this.next(at, keyId)) {
      seen.add(at);
      steps.push(at);
    }
    return steps;
  }

  /** True when following the name comes back to a name that was there before. */
  loops(name: string, keyId: string): boolean {
    const last = this.chain(name, keyId).at(-1);
    return last !== undefined && this.next(last, keyId) !== undefined;
  }

  /** The names that a key may use. */
  names(keyId: string): readonly string[] {
    return [...new Set([...this.#everybodys.keys(), ...(this.#byKey.get(keyId) ?? NOBODYS).keys()])];
  }

  /** The keys that have aliases of their own. */
  keyIds(): readonly string[] {
    return [...this.#byKey.keys()];
  }
}
