import type { EventQueue } from "./event-queue.ts";
import { KvCache } from "./kv-cache.ts";

/** The figures of the simulated engine: a mid-sized model on one large accelerator, batching as vLLM does. */
export interface EngineFigures {
  readonly prefillTokensPerSecond: number;
  readonly decodeMs: number;
  readonly decodeMsPerRequest: number;
  readonly kvTokens: number;
  readonly blockTokens: number;
  /** Tokens of prompts that one step takes at most. */
  readonly chunkTokens: number;
  readonly mostRunning: number;
}

export const ENGINE: EngineFigures = {
  prefillTokensPerSecond: 8_000,
  decodeMs: 6,
  decodeMsPerRequest: 0.35,
  kvTokens: 524_288,
  blockTokens: 16,
  chunkTokens: 2_048,
  mostRunning: 256,
};

export interface SimRequest {
  /** Which shared beginning its prompt has. */
  readonly prefix: number;
  readonly prefixTokens: number;
  readonly questionTokens: number;
  readonly outputTokens: number;
  onFirstToken(): void;
  onDone(cachedTokens: number): void;
}

interface Running {
  readonly request: SimRequest;
  readonly cachedTokens: number;
  readonly ownBlocks: number;
  promptLeft: number;
  outputLeft: number;
}

/** One engine in steps: a piece of the prompts that wait, and one token for each answer that runs. */
export class SimEngine {
  readonly #figures: EngineFigures;
  readonly #events: EventQueue;
  readonly #cache: KvCache;
  readonly #waiting: SimRequest[] = [];
  #running: Running[] = [];
  #stepping = false;
  /** Taken out of service: what runs there is lost. */
  dead = false;
  promptTokens = 0;
  cachedTokens = 0;
  outputTokens = 0;
  /** Requests there, times how long. */
  requestMs = 0;

  constructor(events: EventQueue, figures: EngineFigures = ENGINE) {
    this.#events = events;
    this.#figures = figures;
    this.#cache = new KvCache(Math.floor(figures.kvTokens / figures.blockTokens));
  }

  submit(request: SimRequest): void {
    this.#waiting.push(request);
    if (!this.#stepping) this.#step();
  }

  get load(): number {
    return this.#waiting.length + this.#running.length;
  }

  #step(): void {
    this.#stepping = true;
    const { prefillTokensPerSecond, decodeMs, decodeMsPerRequest, chunkTokens } = this.#figures;
    const decoding = this.#running.filter(({ promptLeft }) => promptLeft === 0);
    let budget = chunkTokens;
    const prefilled = this.#running.filter(({ promptLeft }) => promptLeft > 0);
    for (const one of prefilled) budget -= take(one, budget);
    while (budget > 0) {
      const one = this.#admit();
      if (one === null) break;
      prefilled.push(one);
      budget -= take(one, budget);
    }
    const decodeTime = decoding.length === 0 ? 0 : decodeMs + decodeMsPerRequest * decoding.length;
    const tokens = chunkTokens - budget;
    // A prompt that was there whole still costs a token of work.
    const stepMs = Math.max(decodeTime + (tokens * 1000) / prefillTokensPerSecond, 0.125);
    this.requestMs += this.load * stepMs;
    this.#events.after(stepMs, () => {
      if (this.dead) return;
      for (const one of decoding) this.#token(one);
      for (const one of prefilled) if (one.promptLeft === 0) this.#token(one);
      this.#running = this.#running.filter(({ outputLeft }) => outputLeft > 0);
      if (this.load > 0) this.#step();
      else this.#stepping = false;
    });
  }

  #admit(): Running | null {
    const [request] = this.#waiting;
    const { blockTokens, mostRunning } = this.#figures;
    if (request === undefined || this.#running.length >= mostRunning) return null;
    const { prefix, prefixTokens, questionTokens, outputTokens } = request;
    const prefixBlocks = Math.floor(prefixTokens / blockTokens);
    const cachedTokens = Math.min(this.#cache.has(prefix), prefixBlocks) * blockTokens;
    const promptTokens = prefixTokens + questionTokens;
    const ownBlocks = Math.ceil((promptTokens + outputTokens) / blockTokens) - prefixBlocks;
    if (!this.#cache.admit(prefix, prefixBlocks, ownBlocks)) return null;
    this.#waiting.shift();
    this.promptTokens += promptTokens;
    this.cachedTokens += cachedTokens;
    const promptLeft = promptTokens - cachedTokens;
    const one = { request, cachedTokens, ownBlocks, promptLeft, outputLeft: outputTokens };
    this.#running.push(one);
    return one;
  }

  #token(one: Running): void {
    const { request, ownBlocks, cachedTokens } = one;
    if (one.outputLeft === request.outputTokens) request.onFirstToken();
    one.outputLeft -= 1;
    this.outputTokens += 1;
    if (one.outputLeft > 0) return;
    this.#cache.release(request.prefix, ownBlocks);
    request.onDone(cachedTokens);
  }
}

function take(one: Running, budget: number): number {
  const tokens = Math.min(one.promptLeft, budget);
  one.promptLeft -= tokens;
  return tokens;
}
