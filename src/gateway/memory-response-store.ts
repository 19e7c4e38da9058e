import type { JsonObject } from "../core/chat-request.ts";
import type { Clock } from "../core/clock.ts";
import type { FinishedResponse, Items, KeptResponse, ResponseStore } from "./response-store.ts";

export interface ResponseStoreLimits {
  /** How long a response is kept after it was put or resolved last. */
  readonly keepMs: number;
  readonly maxBytes: number;
  readonly maxBytesPerKey: number;
}

export const RESPONSE_STORE_LIMITS: ResponseStoreLimits = {
  keepMs: 30 * 60_000,
  maxBytes: 64 * 1024 * 1024,
  maxBytesPerKey: 16 * 1024 * 1024,
};

/** What an entry weighs beyond its text: ids, map slots, objects. Else tiny responses would be free. */
const ENTRY_BYTES = 512;
const TURN_BYTES = 16;
const ITEM_BYTES = 192;

/** The new items of one response, as JSON: what it weighs is then known. Shared by all responses that continue it. */
interface Turn {
  readonly text: Uint8Array;
  readonly itemIds: readonly string[];
  readonly bytes: number;
  holders: number;
}

interface Entry {
  readonly key: KeyShelf;
  readonly id: string;
  readonly turns: readonly Turn[];
  /** Of the last turn's items. */
  readonly inputs: number;
  /** JSON. */
  readonly head: Uint8Array;
  readonly bytes: number;
  usedAt: number;
}

/** What one key has. Maps are in the order of use: the first entry is the one that was not used for longest. */
interface KeyShelf {
  readonly keyId: string;
  readonly entries: Map<string, Entry>;
  readonly turnOfItem: Map<string, Turn>;
  bytes: number;
}

/** Keeps in memory, least recently used first out. */
export class MemoryResponseStore implements ResponseStore {
  readonly #clock: Clock;
  readonly #limits: ResponseStoreLimits;
  readonly #shelves = new Map<string, KeyShelf>();
  readonly #byUse = new Set<Entry>();
  /** A resolved history knows its turns, so that continuing it copies nothing. */
  readonly #resolved = new WeakMap<Items, Entry>();
  #bytes = 0;

  constructor(clock: Clock, limits = RESPONSE_STORE_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#byUse.size;
  }

  bytesOf(keyId: string): number {
    return this.#shelves.get(keyId)?.bytes ?? 0;
  }

  async put(keyId: string, { id, history, items, inputs, head: shown }: FinishedResponse): Promise<boolean> {
    this.sweep();
    const turns = [...this.#turnsOf(keyId, history), toTurn(items)];
    const head = Buffer.from(JSON.stringify(shown));
    const bytes = ENTRY_BYTES + head.length + turns.length * TURN_BYTES;
    const whole = bytes + turns.reduce((sum, turn) => sum + turn.bytes, 0);
    // Checked before anything is dropped for its sake.
    if (whole > Math.min(this.#limits.maxBytesPerKey, this.#limits.maxBytes)) return false;
    const key = this.#shelf(keyId);
    const replaced = key.entries.get(id);
    if (replaced) this.#drop(replaced);
    const entry: Entry = { key, id, turns, inputs, head, bytes, usedAt: this.#clock.monotonicMs() };
    for (const turn of turns) this.#hold(key, turn);
    this.#add(entry.key, bytes);
    this.#shelves.set(keyId, key);
    key.entries.set(id, entry);
    this.#byUse.add(entry);
    this.#dropUntil(key.entries.values(), () => key.bytes <= this.#limits.maxBytesPerKey);
    this.#dropUntil(this.#byUse.values(), () => this.#bytes <= this.#limits.maxBytes);
    return true;
  }

  async resolve(keyId: string, responseId: string): Promise<Items | null> {
    const entry = this.#use(keyId, responseId);
    if (!entry) return null;
    const items = entry.turns.flatMap(fromTurn);
    this.#resolved.set(items, entry);
    return items;
  }

  async get(keyId: string, responseId: string): Promise<KeptResponse | null> {
    const entry = this.#use(keyId, responseId);
    if (!entry) return null;
    const turns = entry.turns.map(fromTurn);
    const own = turns.at(-1) ?? [];
    return {
      head: JSON.parse(Buffer.from(entry.head).toString("utf8")) as JsonObject,
      input: [...turns.slice(0, -1).flat(), ...own.slice(0, entry.inputs)],
      output: own.slice(entry.inputs),
    };
  }

  async item(keyId: string, itemId: string): Promise<JsonObject | null> {
    this.sweep();
    const turn = this.#shelves.get(keyId)?.turnOfItem.get(itemId);
    return (turn && fromTurn(turn).find((item) => item.id === itemId)) ?? null;
  }

  async delete(keyId: string, responseId: string): Promise<boolean> {
    this.sweep();
    const entry = this.#shelves.get(keyId)?.entries.get(responseId);
    if (entry) this.#drop(entry);
    return entry !== undefined;
  }

  /** Drops what is too old. Every call does; a timer may, so that an idle process forgets too. */
  sweep(): void {
    const oldest = this.#clock.monotonicMs() - this.#limits.keepMs;
    for (const entry of this.#byUse) {
      if (entry.usedAt > oldest) return;
      this.#drop(entry);
    }
  }

  /** Finds an entry, and counts that as a use of it. */
  #use(keyId: string, responseId: string): Entry | null {
    this.sweep();
    const entry = this.#shelves.get(keyId)?.entries.get(responseId);
    if (!entry) return null;
    entry.usedAt = this.#clock.monotonicMs();
    this.#byUse.delete(entry);
    this.#byUse.add(entry);
    entry.key.entries.delete(responseId);
    entry.key.entries.set(responseId, entry);
    return entry;
  }

  /** Never shared between keys: each pays for what it keeps. */
  #turnsOf(keyId: string, history: Items): readonly Turn[] {
    const entry = this.#resolved.get(history);
    if (entry?.key.keyId === keyId) return entry.turns;
    return history.length > 0 ? [toTurn(history)] : [];
  }

  #shelf(keyId: string): KeyShelf {
    return this.#shelves.get(keyId) ?? { keyId, entries: new Map(), turnOfItem: new Map(), bytes: 0 };
  }

  #dropUntil(entries: Iterable<Entry>, fits: () => boolean): void {
    for (const entry of entries) {
      if (fits()) return;
      this.#drop(entry);
    }
  }

  #drop(entry: Entry): void {
    const { key } = entry;
    this.#byUse.delete(entry);
    key.entries.delete(entry.id);
    this.#add(key, -entry.bytes);
    for (const turn of entry.turns) this.#release(key, turn);
    if (key.entries.size === 0) this.#shelves.delete(key.keyId);
  }

  #hold(key: KeyShelf, turn: Turn): void {
    turn.holders += 1;
    if (turn.holders > 1) return;
    this.#add(key, turn.bytes);
    for (const itemId of turn.itemIds) key.turnOfItem.set(itemId, turn);
  }

  #release(key: KeyShelf, turn: Turn): void {
    turn.holders -= 1;
    if (turn.holders > 0) return;
    this.#add(key, -turn.bytes);
    for (const itemId of turn.itemIds) {
      if (key.turnOfItem.get(itemId) === turn) key.turnOfItem.delete(itemId);
    }
  }

  #add(key: KeyShelf, bytes: number): void {
    key.bytes += bytes;
    this.#bytes += bytes;
  }
}

function toTurn(items: Items): Turn {
  const text = Buffer.from(JSON.stringify(items));
  const itemIds = items.flatMap((item) => (typeof item.id === "string" ? [item.id] : []));
  const idBytes = itemIds.reduce((sum, id) => sum + ITEM_BYTES + id.length * 2, 0);
  return { text, itemIds, bytes: text.length + idBytes, holders: 0 };
}

function fromTurn(turn: Turn): JsonObject[] {
  const { buffer, byteOffset, length } = turn.text;
  return JSON.parse(Buffer.from(buffer, byteOffset, length).toString("utf8")) as JsonObject[];
}
