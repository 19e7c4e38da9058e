import type { Clock } from "../core/clock.ts";
import type { EngineStatus } from "../core/node.ts";
import type { Replica } from "../core/replica.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Endpoint, EngineInfo, EngineManager } from "../engine/driver.ts";
import type { CheckAnswer } from "../cluster/agent-protocol.ts";
import { describeFailure } from "./describe-failure.ts";
import { type AdapterChange, refusesAdapters } from "./adapters.ts";
import type { ModelRefusal } from "./loaded-models.ts";
import { EngineProgress } from "./engine-progress.ts";
import { type EngineSource, toReplicas } from "./engine-source.ts";
import type { KeptAdapters } from "./kept-adapters.ts";
import type { LogPiece } from "./log-file.ts";
import { wait } from "../core/wait.ts";

export interface AttachedTimes {
  readonly probeEveryMs: number;
  readonly probeTimeoutMs: number;
}

export const ATTACHED_TIMES: AttachedTimes = { probeEveryMs: 2_000, probeTimeoutMs: 5_000 };

export interface AttachedParts {
  readonly clock: Clock;
  readonly times: AttachedTimes;
  readonly onChange: () => void;
  /** Why Flock uses it, in a few words. */
  readonly note?: string;
  /** What it said of itself when it was found. */
  readonly found?: EngineInfo;
  /** Of an engine that takes adapters while it runs. */
  readonly adapters?: KeptAdapters;
}

/** An engine that a person started: it is asked again and again, and never started or ended by Flock. */
export class AttachedEngine implements EngineSource {
  readonly id: string;
  readonly #node: string;
  readonly #at: Endpoint;
  readonly #manager: EngineManager;
  readonly #parts: AttachedParts;
  readonly #over = new AbortController();
  readonly #progress: EngineProgress;
  #info: EngineInfo | null = null;
  #problem: string | null = "not asked yet";
  #asked = false;
  /** Kept when it goes away: a request for one of them is told that the engine is down, not that there is no model. */
  #models: readonly string[] = [];
  #epoch = 0;
  readonly #lookers = new Set<() => void>();
  #nudge = new AbortController();
  #said = "";
  #running: Promise<void> = Promise.resolve();

  constructor(node: string, at: Endpoint, manager: EngineManager, parts: AttachedParts) {
    this.id = manager.kind;
    this.#node = node;
    this.#at = at;
    this.#manager = manager;
    this.#parts = parts;
    this.#progress = new EngineProgress(manager.kind);
    if (parts.found !== undefined) this.#take(parts.found, null);
  }

  status(): EngineStatus {
    return {
      id: this.id,
      kind: this.#manager.kind,
      managed: false,
      state: this.#info !== null ? "ready" : this.#asked ? "stopped" : "starting",
      endpoint: this.#at.url,
      secret: this.#at.secret,
      pid: null,
      restarts: 0,
      problem: this.#info === null ? this.#problem : null,
      note: [this.#info && `${this.#manager.kind} ${this.#info.version}`, this.#parts.note].filter(Boolean).join(", "),
      start: this.#manager.startCommand,
      models: this.#models,
      epoch: this.#epoch,
    };
  }

  replicas(): readonly Replica[] {
    return this.#info === null ? [] : toReplicas(this.#node, this.id, this.#manager.kind, this.#info);
  }

  gpu(): string | null {
    return null;
  }

  advice(): string | null {
    if (this.#info === null) return null;
    const adapters = this.#parts.adapters?.problem() ?? null;
    if (adapters !== null || this.#info.models.length > 0) return adapters ?? this.#info.advice ?? null;
    const { kind, pullCommand } = this.#manager;
    if (this.#info.advice !== undefined) return this.#info.advice;
    const get = pullCommand ?? `start it with a model: ${this.#manager.startCommand}`;
    return `${kind} runs at ${this.#at.url} but has no model: ${get}`;
  }

  start(): void {
    this.#running = this.#look();
  }

  restart(): boolean {
    return false;
  }

  resume(): boolean {
    return false;
  }

  halt(): Promise<boolean> {
    return Promise.resolve(false);
  }

  async check(): Promise<CheckAnswer> {
    const looked = new Promise<void>((resolve) => this.#lookers.add(resolve));
    this.#nudge.abort();
    await looked;
    const progressing =
      this.#info === null ? null : await this.#progress.since(this.#epoch, this.#at, this.#over.signal);
    return { healthy: this.#info !== null, progressing };
  }

  /** vLLM takes them while it runs, if it was started for that. */
  async adapt(change: AdapterChange): Promise<Result<void, ModelRefusal>> {
    const refusal = refusesAdapters(this.#manager.kind);
    if (refusal !== null) return err(refusal);
    const { adapters } = this.#parts;
    if (adapters === undefined) {
      const message = `${this.id} was started by somebody, and takes adapters at its start only`;
      return err({
        status: 409,
        message,
        mend: "llama-server -m <model.gguf> --lora <adapter.gguf> --lora-init-without-apply",
      });
    }
    const done = await adapters.change(this.#at, change, this.#over.signal);
    if (!done.ok) return err({ status: 409, ...done.error });
    this.#nudge.abort();
    return ok(undefined);
  }

  /** Whoever started it has them. */
  logs(): LogPiece {
    return { lines: [], next: null };
  }

  async stop(): Promise<void> {
    await this.release();
  }

  async release(): Promise<void> {
    this.#over.abort();
    await this.#running;
  }

  async #look(): Promise<void> {
    const { times, onChange, adapters } = this.#parts;
    const { signal } = this.#over;
    while (!signal.aborted) {
      const lookers = [...this.#lookers];
      this.#lookers.clear();
      this.#nudge = new AbortController();
      const limit = AbortSignal.any([signal, AbortSignal.timeout(times.probeTimeoutMs)]);
      let answer = await this.#manager.probe(this.#at, limit);
      if (answer.ok && (await adapters?.putBack(this.#at, answer.value, signal)) === true)
        answer = await this.#manager.probe(
          this.#at,
          AbortSignal.any([signal, AbortSignal.timeout(times.probeTimeoutMs)]),
        );
      if (signal.aborted) {
        for (const tell of lookers) tell();
        break;
      }
      this.#take(answer.ok ? answer.value : null, answer.ok ? null : describeFailure(answer.error));
      const said = JSON.stringify([this.#info, this.#problem, adapters?.problem()]);
      if (said !== this.#said) onChange();
      this.#said = said;
      for (const tell of lookers) tell();
      if (this.#lookers.size === 0) await wait(times.probeEveryMs, AbortSignal.any([signal, this.#nudge.signal]));
    }
    for (const tell of this.#lookers) tell();
  }

  #take(info: EngineInfo | null, problem: string | null): void {
    this.#asked = true;
    if (this.#info === null && info !== null) this.#epoch = Math.max(this.#parts.clock.now(), this.#epoch + 1);
    if (info !== null) this.#models = info.models.map((served) => served.model);
    this.#info = info;
    this.#problem = problem;
  }
}
