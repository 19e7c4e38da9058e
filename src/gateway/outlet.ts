import type { ReplySink } from "../core/reply.ts";

/** Where an answer's frames go: into a sink in the moment in which they come, or to whoever asks for the next ones. */
export class Outlet {
  #frames: Uint8Array[] = [];
  #waiter: (() => void) | null = null;
  #sink: ReplySink | null = null;
  #ended = false;

  get empty(): boolean {
    return this.#frames.length === 0;
  }

  /** After what is held here nothing comes. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Kept until somebody takes them; nobody is told. */
  hold(frames: Uint8Array): void {
    this.#frames.push(frames);
  }

  clear(): void {
    this.#frames = [];
  }

  /** All that is held in one piece; null: nothing is. */
  take(): Uint8Array | null {
    const [first] = this.#frames;
    if (first === undefined) return null;
    const all = this.#frames.length === 1 ? first : Buffer.concat(this.#frames);
    this.#frames = [];
    return all;
  }

  /** False: nobody has room for more. */
  give(frames: Uint8Array): boolean {
    if (this.#sink !== null) return this.#sink.write(frames);
    this.#frames.push(frames);
    const awaited = this.#waiter !== null;
    this.#wake();
    return awaited;
  }

  /** Whether `giveChunks` may be called. */
  get takesChunks(): boolean {
    return this.#sink?.takesChunks === true;
  }

  giveChunks(chunks: Uint8Array): boolean {
    return this.#sink?.writeChunks?.(chunks) === true;
  }

  /** From now on all goes there, what is held first. True: it has room. */
  flow(sink: ReplySink): boolean {
    this.#sink = sink;
    const held = this.take();
    if (this.#ended) sink.end(held);
    else if (held !== null) return sink.write(held);
    return !this.#ended;
  }

  /** The last frames. Only the first call counts. */
  end(last: Uint8Array | null): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#sink !== null) this.#sink.end(last);
    else if (last !== null) this.#frames.push(last);
    this.#wake();
  }

  /** Resolves when something is given, or at the end. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiter = resolve;
    });
  }

  #wake(): void {
    this.#waiter?.();
    this.#waiter = null;
  }
}
