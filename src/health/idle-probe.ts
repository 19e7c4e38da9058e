import type { Failure } from "../core/failure.ts";
import type { Replica } from "../core/replica.ts";
import type { Result } from "../core/result.ts";
import type { HealthTimes } from "./health-times.ts";
import type { InFlight } from "./ports.ts";
import type { ReplicaWatch } from "./replica-watch.ts";

export interface IdleProbeParts {
  readonly monotonicMs: () => number;
  /** Asks a replica for one token. Never rejects. */
  readonly ask: (replica: Replica, signal: AbortSignal) => Promise<Result<void, Failure>>;
}

/**
 * Asks replicas that nobody uses for one token: those that are shut as soon as they may be tried, so that a person's
 * request need not be the trial, and the others now and then. A replica with anything in flight is never asked.
 */
export class IdleProbe {
  readonly #watch: ReplicaWatch;
  readonly #times: HealthTimes;
  readonly #parts: IdleProbeParts;
  readonly #asking = new Set<string>();
  readonly #over = new AbortController();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(watch: ReplicaWatch, times: HealthTimes, parts: IdleProbeParts) {
    this.#watch = watch;
    this.#times = times;
    this.#parts = parts;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.tick(), this.#times.tickMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#over.abort();
  }

  tick(): void {
    const nowMs = this.#parts.monotonicMs();
    for (const { replica, provenMs, doubted } of this.#watch.idle()) {
      if (this.#asking.has(replica.id) || !replica.abilities.chat) continue;
      // Ollama loads a model to answer: a look would keep it in memory, or throw another one out.
      if (!doubted && (replica.engine === "ollama" || nowMs - provenMs < this.#times.idleProbeMs)) continue;
      if (this.#watch.shutUntilMs(replica.id, nowMs) > 0) continue;
      void this.#ask(replica, nowMs);
    }
  }

  async #ask(replica: Replica, nowMs: number): Promise<void> {
    this.#asking.add(replica.id);
    const probe = new Probe(nowMs);
    this.#watch.picked(replica.id, nowMs);
    const end = this.#watch.begin(replica, probe);
    const limit = AbortSignal.timeout(this.#times.probeTimeoutMs);
    const answer = await this.#parts.ask(replica, AbortSignal.any([limit, probe.signal, this.#over.signal]));
    this.#asking.delete(replica.id);
    if (!this.#over.signal.aborted) {
      if (answer.ok) this.#watch.answered(replica);
      else this.#watch.failed(replica, answer.error, answer.error.kind === "engine_unreachable");
    }
    end();
  }
}

class Probe implements InFlight {
  readonly #lost = new AbortController();
  readonly lastByteMs: number;
  readonly awaitsEngine = true;
  readonly streams = true;
  readonly contentSeen = false;

  constructor(nowMs: number) {
    this.lastByteMs = nowMs;
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  lost(): void {
    this.#lost.abort();
  }
}
