import type { Clock } from "../core/clock.ts";
import { ok, type Result } from "../core/result.ts";
import type { Endpoint, EngineInfo } from "../engine/driver.ts";
import { loadVllmAdapter, unloadVllmAdapter, type VllmRefusal } from "../engine/vllm/adapters.ts";
import { type AdapterBook, type AdapterChange, changeAdapters } from "./adapters.ts";

/** A vLLM that refused one is not asked with every look. */
const AGAIN_AFTER_MS = 60_000;

/**
 * The adapters that a person put on a vLLM which somebody else started. It forgets them when it ends, so they are
 * written down, and put back when it is there without them.
 */
export class KeptAdapters {
  readonly #book: AdapterBook;
  readonly #clock: Clock;
  /** A line of its own: what Flock starts itself may not get them. */
  readonly #key: string;
  readonly #refused = new Map<string, { readonly atMs: number; readonly why: VllmRefusal }>();

  constructor(engineId: string, book: AdapterBook, clock: Clock) {
    this.#key = `attached ${engineId}`;
    this.#book = book;
    this.#clock = clock;
  }

  async change(at: Endpoint, change: AdapterChange, signal: AbortSignal): Promise<Result<void, VllmRefusal>> {
    const name = change.action === "add" ? change.adapter.name : change.name;
    const before = this.#book.of(this.#key);
    const after = changeAdapters(before, change);
    // Another file under a name that is taken.
    if (change.action === "add" && !after.ok) return after;
    const done =
      change.action === "add"
        ? await loadVllmAdapter(at, change.adapter, signal)
        : await unloadVllmAdapter(at, change.name, signal);
    // One that could not be put back is not on it either: taking it off means not to try any more.
    const forgets = change.action === "remove" && before.some((kept) => kept.name === name);
    if (!done.ok && !forgets) return done;
    this.#refused.delete(name);
    // One that was there before Flock, or that somebody loaded at the engine itself, is not in the book.
    if (after.ok && after.value !== null) this.#book.set(this.#key, after.value);
    return ok(undefined);
  }

  /** Loads those that the engine lacks. True: something changed, so it is worth another look. */
  async putBack(at: Endpoint, { models }: EngineInfo, signal: AbortSignal): Promise<boolean> {
    const there = new Set(models.map(({ engineModel }) => engineModel));
    let changed = false;
    for (const adapter of this.#book.of(this.#key)) {
      const refused = this.#refused.get(adapter.name);
      if (there.has(adapter.name)) {
        this.#refused.delete(adapter.name);
        continue;
      }
      if (refused !== undefined && this.#clock.monotonicMs() - refused.atMs < AGAIN_AFTER_MS) continue;
      const done = await loadVllmAdapter(at, adapter, signal);
      if (signal.aborted) return false;
      if (done.ok) this.#refused.delete(adapter.name);
      else this.#refused.set(adapter.name, { atMs: this.#clock.monotonicMs(), why: done.error });
      changed = true;
    }
    return changed;
  }

  /** What a person should know; null: all are on it. */
  problem(): string | null {
    const [first] = this.#refused;
    if (first === undefined) return null;
    const [name, { why }] = first;
    return `the adapter ${name} could not be put back: ${why.message}: flock model adapter rm ${name}`;
  }
}
