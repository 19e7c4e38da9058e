import type { PromptBlocks } from "./prompt-blocks.ts";

export interface PrefixMatch {
  readonly replicaId: string;
  /** Bytes of the prompt's beginning that the replica has seen and should still have. */
  readonly bytes: number;
}

/** What a replica had been given of a prompt before it was given it again; age in bytes of other prompts since. */
export interface Given {
  readonly knownBytes: number;
  readonly ageBytes: number;
}

/** What a replica's cache is taken for. Ages are bytes of other prompts that came since. */
interface Holder {
  readonly id: string;
  readonly number: number;
  /** Bytes of prompts that it was given so far. */
  givenBytes: number;
  /** What it was given longer ago than this is gone. */
  keepsBytes: number;
  /** The engine has named cached tokens at least once: its zeros mean something. */
  tells: boolean;
}

/** One number holds who has a block and since when: a block with a single holder costs no object. */
type Block = number | number[];

const STAMP_RANGE = 2 ** 32;
const STAMP_UNIT_BYTES = 1024;
/** A beginning that everybody has tells nothing: these are enough to choose from. */
const MOST_HOLDERS = 8;
const ENOUGH_MATCHES = 4;

/**
 * Which replica has seen which beginnings of prompts: an approximate tree, flat by chained hashes. Bounded: when the young
 * half is full it becomes the old one and the old one goes; what is used moves to the young half. What engines say of
 * cached tokens corrects how long each replica is believed to keep what it saw.
 */
export class PrefixIndex {
  readonly #mostBlocks: number;
  readonly #byId = new Map<string, Holder>();
  readonly #byNumber = new Map<number, Holder>();
  #young = new Map<number, Block>();
  #old = new Map<number, Block>();
  #numbers = 0;

  constructor(mostBlocks = 262_144) {
    this.#mostBlocks = mostBlocks;
  }

  get blocks(): number {
    return this.#young.size + this.#old.size;
  }

  /** What replicas know of the prompt, the longest first, a few at most. */
  match({ hashes, ends }: PromptBlocks): PrefixMatch[] {
    let known = 0;
    while (known < hashes.length && this.#has(hashes[known] ?? 0)) known += 1;
    const matches: PrefixMatch[] = [];
    for (let at = known - 1; at >= 0 && matches.length < ENOUGH_MATCHES; at -= 1) {
      const hash = hashes[at] ?? 0;
      const block = this.#young.get(hash) ?? this.#old.get(hash);
      if (block === undefined) continue;
      if (typeof block === "number") this.#add(matches, block, ends[at] ?? 0);
      else for (const entry of block) this.#add(matches, entry, ends[at] ?? 0);
    }
    return matches;
  }

  /** The replica is given the prompt, and has it from now on. What of it the replica was given before, and how long ago. */
  give(replicaId: string, { hashes, ends, bytes }: PromptBlocks): Given {
    const holder = this.#byId.get(replicaId) ?? this.#enlist(replicaId);
    const entry = holder.number * STAMP_RANGE + Math.floor(holder.givenBytes / STAMP_UNIT_BYTES);
    let knownBytes = 0;
    let ageBytes = 0;
    for (let at = 0; at < hashes.length; at += 1) {
      const hash = hashes[at] ?? 0;
      const block = this.#young.get(hash) ?? this.#old.get(hash);
      if (knownBytes === (at === 0 ? 0 : ends[at - 1])) {
        const before = entryOf(block, holder.number);
        if (before !== null) knownBytes = ends[at] ?? 0;
        if (before !== null && at === 0) ageBytes = ageOf(holder, before);
      }
      this.#young.set(hash, withHolder(block, entry));
    }
    holder.givenBytes += ageBytes > holder.keepsBytes ? bytes : bytes - knownBytes;
    if (this.#young.size > this.#mostBlocks / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return { knownBytes, ageBytes };
  }

  /**
   * The engine took this share of the prompt from its cache. A known beginning of that age which is gone means that it
   * keeps less; one that is there, that it keeps as much.
   */
  correct(replicaId: string, { ageBytes, knownBytes }: Given, promptBytes: number, cachedShare: number): void {
    const holder = this.#byId.get(replicaId);
    if (holder === undefined) return;
    if (cachedShare > 0) holder.tells = true;
    if (!holder.tells || knownBytes === 0) return;
    if (cachedShare >= knownBytes / promptBytes / 2) holder.keepsBytes = Math.max(holder.keepsBytes, ageBytes);
    else if (ageBytes < holder.keepsBytes) {
      // A single miss may have other reasons: half of the way, from what it was ever given.
      holder.keepsBytes = Math.max(ageBytes, (Math.min(holder.keepsBytes, holder.givenBytes) + ageBytes) / 2);
    }
  }

  /** It was started anew, or is gone: nothing that it saw is there any more. */
  forget(replicaId: string): void {
    const holder = this.#byId.get(replicaId);
    if (holder === undefined) return;
    this.#byId.delete(replicaId);
    this.#byNumber.delete(holder.number);
  }

  #has(hash: number): boolean {
    return this.#young.has(hash) || this.#old.has(hash);
  }

  #add(matches: PrefixMatch[], entry: number, bytes: number): void {
    const holder = this.#byNumber.get(Math.floor(entry / STAMP_RANGE));
    if (holder === undefined || ageOf(holder, entry) > holder.keepsBytes) return;
    for (const match of matches) if (match.replicaId === holder.id) return;
    matches.push({ replicaId: holder.id, bytes });
  }

  #enlist(id: string): Holder {
    this.#numbers += 1;
    const holder: Holder = {
      id,
      number: this.#numbers,
      givenBytes: 0,
      keepsBytes: Number.POSITIVE_INFINITY,
      tells: false,
    };
    this.#byId.set(id, holder);
    this.#byNumber.set(holder.number, holder);
    return holder;
  }
}

function ageOf(holder: Holder, entry: number): number {
  return holder.givenBytes - (entry % STAMP_RANGE) * STAMP_UNIT_BYTES;
}

function entryOf(block: Block | undefined, number: number): number | null {
  if (block === undefined) return null;
  if (typeof block === "number") return Math.floor(block / STAMP_RANGE) === number ? block : null;
  for (const entry of block) if (Math.floor(entry / STAMP_RANGE) === number) return entry;
  return null;
}

/** The block with the replica's newest entry in place of its older one. */
function withHolder(block: Block | undefined, entry: number): Block {
  if (block === undefined) return entry;
  const number = Math.floor(entry / STAMP_RANGE);
  if (typeof block === "number") return Math.floor(block / STAMP_RANGE) === number ? entry : [block, entry];
  const at = block.findIndex((other) => Math.floor(other / STAMP_RANGE) === number);
  if (at >= 0) block.splice(at, 1);
  else if (block.length === MOST_HOLDERS) block.shift();
  block.push(entry);
  return block;
}
