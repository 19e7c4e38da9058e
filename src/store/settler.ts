import type { FromSettleWorker, ToSettleWorker } from "./settle-message.ts";
import type { Log, StoreAddress, StoreProblem } from "./store.ts";
import { StoreProblemError } from "./store-problem.ts";

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5000;
const STOP_TIMEOUT_MS = 10_000;

export interface SettlerHealth {
  readonly ok: boolean;
  /** Why usage stays in the journal for now; it is not lost. */
  readonly problem: string | null;
}

export interface Settler {
  /** Settles now rather than within a second. */
  poke(): void;
  /** Resolves when all that was in the journal at the time of the call is in the store, however long that takes. */
  settled(signal?: AbortSignal): Promise<void>;
  /** Rebuilds one UTC day of the rollups on the worker's thread. Rejects when the database fails, or on `signal`. */
  rebuildDay(day: number, signal: AbortSignal): Promise<void>;
  health(): SettlerHealth;
  /** Settles once more and ends the worker. False: something could not be settled, and stays in the journal for the next start. */
  stop(): Promise<boolean>;
}

export interface SettlerOptions {
  readonly address: StoreAddress;
  /** The journal's directory. */
  readonly dir: string;
  readonly log: Log;
}

/** Starts the thread that brings the journal into the store. It is started again when it dies. */
export function startSettler(options: SettlerOptions): Settler {
  return new WorkerSettler(options);
}

const WORD: Partial<Record<StoreProblem["kind"], string>> = {
  unreachable: "away",
  locked: "locked",
  disk_full: "full",
  damaged: "damaged",
};

interface Call {
  readonly message: ToSettleWorker;
  readonly repeat: boolean;
  readonly resolve: () => void;
  readonly reject: (cause: Error) => void;
}

class WorkerSettler implements Settler {
  readonly #options: SettlerOptions;
  readonly #calls = new Map<number, Call>();
  #worker: Worker;
  #ticket = 0;
  #poked = false;
  #retryMs = FIRST_RETRY_MS;
  #problem: string | null = null;
  #alive = true;
  #stopping: Promise<boolean> | null = null;
  #stopped: ((whole: boolean) => void) | null = null;

  constructor(options: SettlerOptions) {
    this.#options = options;
    this.#worker = this.#start();
  }

  poke(): void {
    if (this.#poked || this.#stopping !== null) return;
    this.#poked = true;
    const release = (): void => {
      this.#poked = false;
    };
    this.#call((ticket) => ({ poke: true, ticket }), false).then(release, release);
  }

  settled(signal?: AbortSignal): Promise<void> {
    return this.#call((ticket) => ({ poke: true, ticket }), true, signal);
  }

  rebuildDay(day: number, signal: AbortSignal): Promise<void> {
    return this.#call((ticket) => ({ rebuildDay: day, ticket }), false, signal);
  }

  health(): SettlerHealth {
    return { ok: this.#problem === null, problem: this.#problem };
  }

  stop(): Promise<boolean> {
    this.#stopping ??= new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => {
        this.#options.log.warn("the settling thread did not end in time; usage stays in the journal");
        this.#ended(false);
      }, STOP_TIMEOUT_MS);
      this.#stopped = (whole) => {
        clearTimeout(timer);
        resolve(whole);
      };
      if (this.#alive) send(this.#worker, { stop: true });
      else this.#ended(false);
    });
    return this.#stopping;
  }

  #start(): Worker {
    const worker = new Worker(new URL("./settle-worker.ts", import.meta.url).href);
    worker.addEventListener("message", (event: MessageEvent<FromSettleWorker>) => this.#receive(event.data));
    worker.addEventListener("error", (event) => {
      this.#options.log.error("the settling thread failed", { cause: event.message });
    });
    worker.addEventListener("close", () => this.#closed(worker));
    const { address, dir } = this.#options;
    send(worker, { start: { address, dir } });
    return worker;
  }

  #call(build: (ticket: number) => ToSettleWorker, repeat: boolean, signal?: AbortSignal): Promise<void> {
    this.#ticket += 1;
    const ticket = this.#ticket;
    return new Promise((resolve, reject) => {
      if (this.#stopping !== null) {
        reject(new Error("the settler has stopped"));
        return;
      }
      const abort = (): void => this.#take(ticket)?.reject(signal?.reason as Error);
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      signal?.addEventListener("abort", abort, { once: true });
      const message = build(ticket);
      this.#calls.set(ticket, {
        message,
        repeat,
        resolve: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
        reject: (cause) => {
          signal?.removeEventListener("abort", abort);
          reject(cause);
        },
      });
      send(this.#worker, message);
    });
  }

  #take(ticket: number): Call | undefined {
    const call = this.#calls.get(ticket);
    this.#calls.delete(ticket);
    return call;
  }

  #receive(message: FromSettleWorker): void {
    if ("log" in message) {
      this.#options.log[message.log.level](message.log.message, message.log.fields);
    } else if ("settled" in message) {
      if (this.#problem !== null) this.#options.log.info("usage is being settled again");
      this.#problem = null;
      this.#retryMs = FIRST_RETRY_MS;
      this.#take(message.ticket)?.resolve();
    } else if ("failed" in message) {
      this.#failed(message.ticket, message.failed);
    } else {
      this.#ended(message.stopped);
    }
  }

  #failed(ticket: number, problem: StoreProblem): void {
    // The log has the place and the command; whoever asks for the health may be anybody.
    const health = `usage waits in the journal: the database is ${WORD[problem.kind] ?? "refusing it"}`;
    if (this.#problem !== health) {
      const { message, mend } = problem;
      this.#options.log.warn("usage cannot be settled; it stays in the journal", { problem: message, mend });
    }
    this.#problem = health;
    const call = this.#calls.get(ticket);
    if (call === undefined) return;
    if (!call.repeat) {
      this.#take(ticket)?.reject(new StoreProblemError(problem));
      return;
    }
    setTimeout(() => {
      if (this.#calls.has(ticket)) send(this.#worker, call.message);
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }

  #closed(worker: Worker): void {
    if (worker !== this.#worker) return;
    this.#alive = false;
    if (this.#stopping !== null) {
      this.#ended(false);
      return;
    }
    this.#problem = "the settling thread died";
    this.#options.log.error("the settling thread died; it is started again", { waitMs: this.#retryMs });
    setTimeout(() => {
      if (this.#stopping !== null) return;
      this.#worker = this.#start();
      this.#alive = true;
      for (const call of this.#calls.values()) send(this.#worker, call.message);
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }

  #ended(whole: boolean): void {
    if (this.#stopped === null) return;
    this.#stopped(whole);
    this.#stopped = null;
    for (const [ticket] of this.#calls) this.#take(ticket)?.reject(new Error("the settler has stopped"));
    this.#worker.terminate();
  }
}

function send(worker: Worker, message: ToSettleWorker): void {
  worker.postMessage(message);
}
