import type { Clock } from "../core/clock.ts";
import type { ProcessState } from "../core/node.ts";
import type { LaunchSpec } from "../engine/driver.ts";
import type { Exit } from "./child-process.ts";
import { adoptLife, endpointOf, type Life, startLife, untilReady } from "./engine-life.ts";
import type { EngineRecords } from "./engine-record.ts";
import { lastWords } from "./log-file.ts";
import type { SupervisorTimes } from "./supervisor-times.ts";
import { Vigil } from "./vigil.ts";
import { aborted, wait } from "../core/wait.ts";

/** Exit code with which an engine says that its model cannot be loaded; its last log line is the reason. */
const MODEL_NOT_LOADED = 3;

export interface SupervisorParts {
  readonly records: EngineRecords;
  readonly logPath: string;
  readonly clock: Clock;
  readonly times: SupervisorTimes;
  /** For the agent's log: what happens to the engine, one line each, without secrets. */
  readonly log: (message: string) => void;
  /** Called after every change of what the getters say. */
  readonly onChange: () => void;
}

type Wish = "run" | "restart" | "stop" | "release";

/**
 * Keeps one engine running: one child at a time, started again with a growing delay when it ends or hangs, given up as
 * `crashloop` until `restart` is called. Call `start` once; after `stop` or `release` it is done for good.
 */
export class Supervisor {
  readonly #spec: LaunchSpec;
  readonly #parts: SupervisorParts;
  #state: ProcessState = "starting";
  #problem: string | null = null;
  #life: Life | null = null;
  /** While it is ready. */
  #vigil: Vigil | null = null;
  #epoch = 0;
  #restarts = 0;
  #readyAtMs: number | null = null;
  #wish: Wish = "run";
  /** Fires when the wish changes, and is then replaced. */
  #interrupt = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(spec: LaunchSpec, parts: SupervisorParts) {
    this.#spec = spec;
    this.#parts = parts;
  }

  get state(): ProcessState {
    return this.#state;
  }
  get problem(): string | null {
    return this.#problem;
  }
  get pid(): number | null {
    return this.#life?.child.pid ?? null;
  }
  /** Starts after the first one, in this agent's life. */
  get restarts(): number {
    return this.#restarts;
  }
  get epoch(): number {
    return this.#epoch;
  }
  /** "" until the child listens. */
  get endpoint(): string {
    return this.#life === null ? "" : endpointOf(this.#life.record);
  }
  get secret(): string {
    return this.#life?.record.secret ?? "";
  }

  /** Takes over a child that still runs, or starts one. A bug in the loop rejects `done`. */
  start(): void {
    this.#running = this.#run();
  }

  /** Settles when `stop` or `release` has done its work. */
  get done(): Promise<void> {
    return this.#running;
  }

  /** Looks at the child now. False: it is not ready, or does not answer. */
  async look(): Promise<boolean> {
    return (await this.#vigil?.look()) ?? false;
  }

  /** It answers, but does not do its work: it is ended and started again like one that hangs. */
  condemn(why: string): void {
    this.#vigil?.condemn(why);
  }

  /** Ends the child and starts it again at once, out of a `crashloop` too; earlier failures are forgiven. */
  restart(): void {
    if (this.#wish === "run") this.#ask("restart");
  }

  /** Ends the child; resolves when it is gone. */
  async stop(): Promise<void> {
    this.#ask("stop");
    await this.#running;
  }

  /** Lets the child run on for the next agent to take over. */
  async release(): Promise<void> {
    if (this.#wish !== "stop") this.#ask("release");
    await this.#running;
  }

  #ask(wish: Wish): void {
    this.#wish = wish;
    this.#interrupt.abort();
  }

  async #run(): Promise<void> {
    const { times, records } = this.#parts;
    let failures = 0;
    this.#life = await adoptLife(this.#spec, records, times, this.#interrupt.signal);
    for (;;) {
      let problem: string | null = null;
      if (this.#wish === "run") {
        this.#life ??= this.#spawn();
        if (this.#life === null) {
          problem = this.#problem;
        } else {
          this.#epoch = this.#life.record.epoch;
          this.#readyAtMs = null;
          this.#set("starting", this.#problem);
          problem = await this.#live(this.#life);
          if (this.#wasStable()) failures = 0;
        }
      }
      if (this.#wish === "release") {
        this.#life?.child.release();
        return;
      }
      await this.#end(problem);
      if (this.#wish === "stop") {
        this.#set("stopped", null);
        return;
      }
      if (this.#wish === "restart") {
        this.#wish = "run";
        this.#interrupt = new AbortController();
        failures = 0;
      } else {
        await this.#rest(failures++, problem ?? "ended");
        if (this.#wish !== "run") continue;
      }
      this.#restarts++;
    }
  }

  #spawn(): Life | null {
    const now = this.#parts.clock.now();
    const epoch = Math.max(now, this.#epoch + 1);
    try {
      return startLife(this.#spec, this.#parts.records, this.#parts.logPath, now, epoch);
    } catch (error) {
      this.#problem = `cannot be started: ${error instanceof Error ? error.message : String(error)}`;
      return null;
    }
  }

  /** From start to end. Null: interrupted by a wish, the child may still run; else why this life is over. */
  async #live(life: Life): Promise<string | null> {
    const { records, times } = this.#parts;
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#interrupt.signal]);
    const watch = async () => {
      const problem = await untilReady(life, this.#spec, records, times, signal);
      if (problem !== null) return problem;
      // The child may have ended while its last answer was on the way.
      if (signal.aborted) return "interrupted";
      this.#readyAtMs = this.#parts.clock.monotonicMs();
      this.#set("ready", null);
      this.#vigil = new Vigil(this.#spec, life, times);
      return await this.#vigil.untilHung(signal);
    };
    const exited = life.child.exited.then((exit) => this.#describe(exit));
    const problem = await Promise.race([exited, watch()]);
    over.abort();
    this.#vigil = null;
    return this.#interrupt.signal.aborted ? null : problem;
  }

  #wasStable(): boolean {
    const { clock, times } = this.#parts;
    return this.#readyAtMs !== null && clock.monotonicMs() - this.#readyAtMs >= times.stableMs;
  }

  /** Makes sure that nothing of this life is left: a hung child is ended, the record goes. */
  async #end(problem: string | null): Promise<void> {
    const { records, times } = this.#parts;
    if (this.#life !== null) {
      this.#set("stopping", problem);
      await this.#life.child.terminate(problem === null ? times.stopGraceMs : times.hungGraceMs);
      this.#life = null;
    }
    records.remove(this.#spec.id);
  }

  async #rest(failures: number, problem: string): Promise<void> {
    const { backoffMs } = this.#parts.times;
    const delayMs = backoffMs[failures];
    if (delayMs !== undefined) {
      this.#set("backoff", problem);
      await wait(delayMs, this.#interrupt.signal);
      return;
    }
    const log = this.#parts.logPath;
    this.#set(
      "crashloop",
      `${problem}; given up after ${backoffMs.length} restarts: read ${log}, then flock down && flock up`,
    );
    await aborted(this.#interrupt.signal);
  }

  #describe(exit: Exit): string {
    if (exit.code === MODEL_NOT_LOADED) return lastWords(this.#parts.logPath) ?? "its model cannot be loaded";
    if (exit.signal !== null) return `was ended by ${exit.signal}`;
    return exit.code === null ? "ended" : `ended with exit code ${exit.code}`;
  }

  #set(state: ProcessState, problem: string | null): void {
    const pid = this.#life === null ? "" : ` (pid ${this.#life.child.pid})`;
    if (state !== this.#state)
      this.#parts.log(`${this.#spec.id}: ${state}${pid}${problem === null ? "" : `: ${problem}`}`);
    this.#state = state;
    this.#problem = problem;
    this.#parts.onChange();
  }
}
