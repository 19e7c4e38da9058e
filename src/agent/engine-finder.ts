import type { Clock } from "../core/clock.ts";
import type { EngineKind } from "../core/replica.ts";
import type { Endpoint, EngineInfo, EngineManager } from "../engine/driver.ts";
import { wait } from "../core/wait.ts";
import type { AdapterBook } from "./adapters.ts";
import { AttachedEngine, type AttachedTimes } from "./attached-engine.ts";
import type { EngineSource } from "./engine-source.ts";
import { KeptAdapters } from "./kept-adapters.ts";

/** Where an engine may run that somebody else started. */
export interface Candidate {
  readonly at: Endpoint;
  readonly manager: EngineManager;
}

export interface FinderParts {
  readonly node: string;
  readonly candidates: readonly Candidate[];
  /** Shown, and asked for, even while it does not answer: somebody wants this one. */
  readonly preferred: EngineKind | null;
  /** The node's engines: what is found is added. */
  readonly sources: EngineSource[];
  readonly clock: Clock;
  readonly times: AttachedTimes;
  readonly onChange: () => void;
  /** What was put on engines that take adapters while they run. */
  readonly book: AdapterBook;
}

/** How long the start waits for answers: an engine that runs answers in milliseconds. */
const FIRST_LOOK_MS = 1_500;

/**
 * Looks for running engines by what they answer, again and again: one that is started later is found as well. What was
 * found once stays in the list: when it goes away, requests for its models are told how to start it.
 */
export class EngineFinder {
  readonly #parts: FinderParts;
  readonly #missing: Candidate[];

  constructor(parts: FinderParts) {
    this.#parts = parts;
    this.#missing = parts.candidates.filter(({ manager }) => manager.kind !== parts.preferred);
    for (const candidate of parts.candidates) {
      if (candidate.manager.kind === parts.preferred) this.#attach(candidate, "named by engine.preferred");
    }
  }

  /** One look everywhere. Gives the kinds that run and have a model to chat with. */
  async lookOnce(signal: AbortSignal): Promise<readonly EngineKind[]> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(FIRST_LOOK_MS)]);
    const found = await Promise.all(this.#missing.map((candidate) => this.#look(candidate, limit)));
    return found.filter((kind) => kind !== null);
  }

  /** Ends with the signal. */
  start(signal: AbortSignal): void {
    void this.#watch(signal);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { times } = this.#parts;
    while (!signal.aborted && this.#missing.length > 0) {
      await wait(times.probeEveryMs, signal);
      if (signal.aborted) return;
      const limit = AbortSignal.any([signal, AbortSignal.timeout(times.probeTimeoutMs)]);
      const looks = this.#missing.map((candidate) => this.#look(candidate, limit));
      await Promise.all(looks);
    }
  }

  /** The engine's kind when it is there with a model to chat with. */
  async #look(candidate: Candidate, signal: AbortSignal): Promise<EngineKind | null> {
    const { at, manager } = candidate;
    const answer = await manager.probe(at, signal);
    const place = this.#missing.indexOf(candidate);
    if (!answer.ok || signal.aborted || place < 0) return null;
    this.#missing.splice(place, 1);
    this.#attach(candidate, "found running", answer.value);
    this.#parts.onChange();
    return answer.value.models.some(({ abilities }) => abilities.chat) ? manager.kind : null;
  }

  #attach({ at, manager }: Candidate, note: string, found?: EngineInfo): void {
    const { node, sources, clock, times, onChange, book } = this.#parts;
    const seen = found === undefined ? {} : { found };
    const kept = manager.kind === "vllm" ? { adapters: new KeptAdapters(manager.kind, book, clock) } : {};
    const engine = new AttachedEngine(node, at, manager, { clock, times, onChange, note, ...seen, ...kept });
    sources.push(engine);
    engine.start();
  }
}
