import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, unlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "../core/chat-request.ts";
import type { Clock } from "../core/clock.ts";
import { type Entry, type Limits, ResponseIndex } from "./response-index.ts";
import { readResponse, scanResponses } from "./scan-responses.ts";

type Items = readonly JsonObject[];

/** As `gateway/response-store.ts` has it. */
interface Finished {
  readonly id: string;
  readonly history: Items;
  readonly items: Items;
  readonly inputs: number;
  readonly head: JsonObject;
}

export interface DiskResponsesOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly limits?: Partial<Limits>;
  /** The leader before this one still gives answers, and keeps them: what looks half done may be just being written. */
  readonly another?: boolean;
  readonly log: { warn(message: string, fields: Record<string, unknown>): void };
}

/** As long as OpenAI keeps its own. */
const LIMITS: Limits = {
  keepMs: 30 * 86_400_000,
  maxBytes: 1024 * 1024 * 1024,
  maxBytesPerKey: 256 * 1024 * 1024,
};

/** Ids are made here; whatever else a client asks for is unknown, and never becomes a path. */
const RESPONSE_ID = /^resp_([a-z0-9]{1,64})$/;
/** An item's id begins with its kind and has its response's in it, two digits follow. */
const ITEM_ID = /^[a-z]{2,4}_([a-z0-9]{1,64})[0-9a-f]{2}$/;

/**
 * Conversations of the Responses API on disk, each key's in a directory of its own: one file a response, and one for what
 * each said, which all responses that continue it share. A file is written whole under another name and then renamed, so
 * a crash leaves a response or none. Sizes and times are in memory; the files themselves are only read when asked for.
 */
export class DiskResponses {
  readonly #options: DiskResponsesOptions;
  readonly #limits: Limits;
  readonly #index: ResponseIndex;
  readonly #ready: Promise<void>;
  /** Changes come one after another. */
  #last: Promise<unknown> = Promise.resolve();
  /** A resolved history knows its turns, so that continuing it copies nothing. */
  readonly #resolved = new WeakMap<Items, Entry>();

  /** Looks in the background for what was kept before; whoever asks earlier waits. */
  constructor(options: DiskResponsesOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#index = new ResponseIndex(this.#limits);
    this.#ready = this.#inTurn(() => this.#scan()).catch((cause: unknown) => {
      options.log.warn("responses that were kept on disk cannot be read", { cause });
    });
  }

  /** What a crash left half done is removed. */
  async #scan(): Promise<void> {
    const { dir, clock } = this.#options;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const left = await scanResponses(dir, this.#index);
    const halfDone = this.#options.another === true ? [] : left;
    await this.#remove([...halfDone, ...this.#index.sweep(clock.now())]);
  }

  get bytes(): number {
    return this.#index.bytes;
  }

  /** False: it was too large, or the disk did not take it. */
  put(keyId: string, response: Finished): Promise<boolean> {
    return this.#inTurn(async () => {
      try {
        return await this.#write(keyId, response);
      } catch (cause) {
        this.#options.log.warn("a response could not be kept on disk", { cause });
        return false;
      }
    });
  }

  async resolve(keyId: string, responseId: string): Promise<Items | null> {
    const entry = await this.#use(keyId, responseId);
    const turns = entry && (await this.#readTurns(entry));
    if (!entry || !turns) return null;
    const items = turns.flat();
    this.#resolved.set(items, entry);
    return items;
  }

  async get(keyId: string, responseId: string): Promise<{ head: JsonObject; input: Items; output: Items } | null> {
    const entry = await this.#use(keyId, responseId);
    const turns = entry && (await this.#readTurns(entry));
    const head = entry && (await readJson(this.#path(entry.key, `r-${entry.name}.json`), 1));
    if (!entry || !turns || !head) return null;
    const own = turns.at(-1) ?? [];
    return {
      head: head as JsonObject,
      input: [...turns.slice(0, -1).flat(), ...own.slice(0, entry.inputs)],
      output: own.slice(entry.inputs),
    };
  }

  async item(keyId: string, itemId: string): Promise<JsonObject | null> {
    await this.#ready;
    const name = ITEM_ID.exec(itemId)?.[1];
    const key = keyName(keyId);
    if (name === undefined) return null;
    if (!this.#index.hasTurn(key, name)) await this.#late(keyId, `resp_${name}`);
    if (!this.#index.hasTurn(key, name)) return null;
    const turn = await readJson(this.#path(key, `t-${name}.json`));
    return (turn as Items | null)?.find(({ id }) => id === itemId) ?? null;
  }

  async delete(keyId: string, responseId: string): Promise<boolean> {
    if (!this.#find(keyId, responseId)) await this.#late(keyId, responseId);
    return await this.#inTurn(async () => {
      const entry = this.#find(keyId, responseId);
      if (!entry) return false;
      await this.#remove(this.#index.drop(entry));
      return true;
    });
  }

  async #write(keyId: string, { id, history, items, inputs, head }: Finished): Promise<boolean> {
    const name = RESPONSE_ID.exec(id)?.[1];
    if (name === undefined) return false;
    const key = keyName(keyId);
    const { clock } = this.#options;
    await this.#remove(this.#index.sweep(clock.now()));
    const continued = this.#resolved.get(history);
    const shared = continued?.key === key && continued.turns.every((turn) => this.#index.hasTurn(key, turn));
    const before = shared ? continued.turns : history.length > 0 ? [`${name}x`] : [];
    const texts = new Map<string, string>([[name, JSON.stringify(items)]]);
    if (!shared && history.length > 0) texts.set(`${name}x`, JSON.stringify(history));
    const turns = [...before, name];
    // The first line is all that a start reads.
    const shown = `${JSON.stringify({ turns, inputs })}\n${JSON.stringify(head)}`;
    const sizes = new Map([...texts].map(([turn, text]) => [turn, Buffer.byteLength(text)]));
    const bytes = Buffer.byteLength(shown);
    if (!this.#index.fits(key, turns, sizes, bytes)) return false;
    await mkdir(join(this.#options.dir, key), { recursive: true, mode: 0o700 });
    // The response comes last: without it its turns are nobody's, and the next start removes them.
    for (const [turn, text] of texts) await this.#writeFile(key, `t-${turn}.json`, text);
    await this.#writeFile(key, `r-${name}.json`, shown);
    const entry: Entry = { key, name, turns, inputs, bytes, usedAt: clock.now() };
    await this.#stamp(entry);
    await this.#remove(this.#index.add(entry, sizes));
    return true;
  }

  async #use(keyId: string, responseId: string): Promise<Entry | null> {
    await this.#ready;
    const now = this.#options.clock.now();
    const entry = this.#find(keyId, responseId) ?? (await this.#late(keyId, responseId));
    if (!entry || now - entry.usedAt >= this.#limits.keepMs) return null;
    this.#index.use(entry, now);
    await this.#stamp(entry);
    return entry;
  }

  /** The next process learns from it what was used last. */
  async #stamp({ key, name, usedAt }: Entry): Promise<void> {
    const at = new Date(usedAt);
    await utimes(this.#path(key, `r-${name}.json`), at, at).catch(() => undefined);
  }

  /** The leader before this one may have kept it, as it gave its last answers. */
  async #late(keyId: string, responseId: string): Promise<Entry | null> {
    const name = RESPONSE_ID.exec(responseId)?.[1];
    if (name === undefined) return null;
    const key = keyName(keyId);
    return await this.#inTurn(async () => {
      const found = await readResponse(this.#options.dir, key, name);
      const known = this.#index.find(key, name);
      if (found === null || known !== null) return known;
      await this.#remove(this.#index.add(found.entry, found.sizes));
      return this.#index.find(key, name);
    });
  }

  #find(keyId: string, responseId: string): Entry | null {
    const name = RESPONSE_ID.exec(responseId)?.[1];
    return name === undefined ? null : this.#index.find(keyName(keyId), name);
  }

  /** Null where a file went between looking and reading, or is damaged: then the response is unknown. */
  async #readTurns({ key, turns }: Entry): Promise<Items[] | null> {
    const read = await Promise.all(turns.map((turn) => readJson(this.#path(key, `t-${turn}.json`))));
    return read.every(Array.isArray) ? (read as Items[]) : null;
  }

  async #writeFile(key: string, name: string, text: string): Promise<void> {
    const path = this.#path(key, name);
    const whole = `${path}.${randomUUID()}.tmp`;
    try {
      await writeFile(whole, text, { mode: 0o600, flag: "wx" });
      await rename(whole, path);
    } catch (cause) {
      await rm(whole, { force: true });
      throw cause;
    }
  }

  async #remove(files: readonly { readonly key: string; readonly file: string }[]): Promise<void> {
    for (const { key, file } of files) await unlink(this.#path(key, file)).catch(() => undefined);
  }

  #path(key: string, file: string): string {
    return join(this.#options.dir, key, file);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** A key's id is a name of ours, but a directory's name must never be more than that. */
function keyName(keyId: string): string {
  return createHash("sha256").update(keyId).digest("hex").slice(0, 32);
}

/** `line`: only that one. */
async function readJson(path: string, line?: number): Promise<unknown> {
  try {
    const text = await readFile(path, "utf8");
    return JSON.parse(line === undefined ? text : (text.split("\n")[line] ?? "")) as unknown;
  } catch {
    return null;
  }
}
