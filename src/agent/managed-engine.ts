import type { EngineStatus } from "../core/node.ts";
import type { Replica } from "../core/replica.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { CheckAnswer, CheckBody } from "../cluster/agent-protocol.ts";
import type { Endpoint, EngineInfo, EngineManager, LaunchSpec } from "../engine/driver.ts";
import { restAdapters } from "../engine/llama-cpp/adapters.ts";
import { describeFailure } from "./describe-failure.ts";
import { type EngineSource, toReplicas } from "./engine-source.ts";
import { type Adapter, type AdapterBook, type AdapterChange, changeAdapters, refusesAdapters } from "./adapters.ts";
import type { ModelRefusal } from "./loaded-models.ts";
import { EngineProgress } from "./engine-progress.ts";
import { type LogPiece, readLog } from "./log-file.ts";
import type { StoppedEngines } from "./stopped-engines.ts";
import { Supervisor, type SupervisorParts } from "./supervisor.ts";
import { wait } from "../core/wait.ts";

const PROBE_TIMEOUT_MS = 5_000;
const PROBE_AGAIN_MS = 500;
const HALTED = "stopped on request";
const ADAPTERS_ON = { kind: "engine_failed", engine: "llama-server", cause: "its adapters cannot be set" } as const;

/** How an engine is started with adapters, and where is kept with which. */
export interface AdapterLaunch {
  readonly book: AdapterBook;
  readonly spec: (adapters: readonly Adapter[]) => LaunchSpec;
}

export interface ManagedParts extends SupervisorParts {
  /** Which engines a person stopped. */
  readonly stopped: StoppedEngines;
}

/** An engine that Flock starts: the supervisor keeps it alive, the manager says what it serves. */
export class ManagedEngine implements EngineSource {
  readonly id: string;
  readonly #node: string;
  readonly #models: readonly string[];
  readonly #manager: EngineManager;
  readonly #supervise: () => Supervisor;
  #supervisor: Supervisor;
  readonly #logPath: string;
  readonly #progress: EngineProgress;
  /** So many in a row, and it is started again. */
  readonly #strikes: number;
  readonly #onChange: () => void;
  readonly #stopped: StoppedEngines;
  readonly #over = new AbortController();
  readonly #adapters: AdapterLaunch | null;
  #spec: LaunchSpec;
  /** What the life with this epoch serves. */
  #info: { readonly epoch: number; readonly value: EngineInfo } | null = null;
  #probing: { readonly epoch: number; readonly done: Promise<void> } | null = null;
  #probeProblem: string | null = null;

  /** `models`: the ids that it will serve once it is ready. */
  constructor(
    node: string,
    spec: LaunchSpec,
    models: readonly string[],
    manager: EngineManager,
    parts: ManagedParts,
    adapters: AdapterLaunch | null = null,
  ) {
    this.#adapters = adapters;
    this.#spec = spec;
    this.#models = models;
    this.id = spec.id;
    this.#node = node;
    this.#manager = manager;
    this.#logPath = parts.logPath;
    this.#progress = new EngineProgress(manager.kind);
    this.#strikes = parts.times.healthFailures;
    this.#onChange = parts.onChange;
    this.#stopped = parts.stopped;
    this.#supervise = () => new Supervisor(this.#spec, { ...parts, onChange: () => this.#changed() });
    this.#supervisor = this.#supervise();
  }

  status(): EngineStatus {
    const supervisor = this.#supervisor;
    // Ready means that requests can go there: an engine whose models are not known yet gets none.
    const state = supervisor.state === "ready" && this.#current() === null ? "starting" : supervisor.state;
    const halted = state === "stopped";
    return {
      id: this.id,
      kind: this.#manager.kind,
      managed: true,
      state,
      endpoint: supervisor.endpoint,
      secret: supervisor.secret,
      pid: supervisor.pid,
      restarts: supervisor.restarts,
      problem: state === "ready" ? null : halted ? HALTED : (supervisor.problem ?? this.#probeProblem),
      start: this.#startCommand(halted),
      models: this.#models,
      epoch: supervisor.epoch,
    };
  }

  replicas(): readonly Replica[] {
    const info = this.#current();
    return info === null ? [] : toReplicas(this.#node, this.id, this.#manager.kind, info);
  }

  gpu(): string | null {
    return this.#current()?.gpu ?? null;
  }

  start(): void {
    this.#supervisor.start();
    // What still runs of it is ended: a Flock that died in the middle of the stop left it.
    if (this.#stopped.has(this.id)) void this.#supervisor.stop();
  }

  restart(): boolean {
    if (this.#supervisor.state === "stopped") return this.resume();
    this.#supervisor.restart();
    return true;
  }

  resume(): boolean {
    this.#stopped.set(this.id, false);
    if (this.#supervisor.state !== "stopped" || this.#over.signal.aborted) return true;
    this.#supervisor = this.#supervise();
    this.#supervisor.start();
    this.#onChange();
    return true;
  }

  async halt(): Promise<boolean> {
    this.#stopped.set(this.id, true);
    await this.#supervisor.stop();
    return true;
  }

  async check({ reason, strikes }: CheckBody): Promise<CheckAnswer> {
    const { epoch } = this.#supervisor;
    const healthy = await this.#supervisor.look();
    if (!healthy) return { healthy, progressing: null };
    const progressing = await this.#progress.since(epoch, this.#at(), this.#over.signal);
    if (strikes >= this.#strikes && progressing !== true && this.#supervisor.epoch === epoch) {
      this.#supervisor.condemn(`is taken for hung although it answers: ${reason}`);
    }
    return { healthy, progressing };
  }

  /** It is started with other adapters: they are arguments of its programs. */
  async adapt(change: AdapterChange): Promise<Result<void, ModelRefusal>> {
    const refusal = refusesAdapters(this.#manager.kind);
    if (refusal !== null || this.#adapters === null) {
      return err(refusal ?? { status: 409, message: `${this.id} takes no adapters`, mend: "flock engine ls" });
    }
    const { book, spec } = this.#adapters;
    const next = changeAdapters(book.of(this.id), change);
    if (!next.ok) return next;
    if (next.value === null) return ok(undefined);
    book.set(this.id, next.value);
    this.#spec = spec(next.value);
    const halted = this.#supervisor.state === "stopped";
    await this.#supervisor.stop();
    if (!halted) this.resume();
    return ok(undefined);
  }

  logs(lines: number, after?: string): LogPiece {
    return readLog(this.#logPath, lines, after);
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#supervisor.stop();
    await this.#probing?.done;
  }

  async release(): Promise<void> {
    this.#over.abort();
    await this.#supervisor.release();
    await this.#probing?.done;
  }

  /** False: its adapters are on every request still, so none may come. */
  async #restAdapters(signal: AbortSignal): Promise<boolean> {
    const has = this.#manager.kind === "llamacpp" && (this.#adapters?.book.of(this.id).length ?? 0) > 0;
    return !has || (await restAdapters(this.#at(), signal));
  }

  /** A person's command for an engine that Flock keeps: what brings it back. */
  #startCommand(halted: boolean): string {
    if (halted) return `flock engine start ${this.#node}/${this.id}`;
    const { kind, startCommand } = this.#manager;
    return kind === "embedded" ? startCommand : `flock engine restart ${this.#node}/${this.id}`;
  }

  #at(): Endpoint {
    return { url: this.#supervisor.endpoint, secret: this.#supervisor.secret };
  }

  #current(): EngineInfo | null {
    const supervisor = this.#supervisor;
    return supervisor.state === "ready" && this.#info?.epoch === supervisor.epoch ? this.#info.value : null;
  }

  #changed(): void {
    const { state, epoch } = this.#supervisor;
    if (state === "ready" && this.#probing?.epoch !== epoch) this.#probing = { epoch, done: this.#probe(epoch) };
    this.#onChange();
  }

  /** Asks until the engine has said what it serves, or this life is over. */
  async #probe(epoch: number): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted && this.#supervisor.epoch === epoch && this.#supervisor.state === "ready") {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
      const rested = await this.#restAdapters(limit);
      const answer = rested ? await this.#manager.probe(this.#at(), limit) : err(ADAPTERS_ON);
      if (answer.ok) {
        this.#info = { epoch, value: answer.value };
        this.#probeProblem = null;
        this.#onChange();
        return;
      }
      this.#probeProblem = describeFailure(answer.error);
      this.#onChange();
      await wait(PROBE_AGAIN_MS, signal);
    }
  }
}
