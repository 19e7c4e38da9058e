import type { Failure } from "../core/failure.ts";
import type { EngineKind, Replica } from "../core/replica.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EngineStatus } from "../core/node.ts";
import { leastBusy } from "./least-busy.ts";

/** What one node offers; the board is told anew each time something changes there. */
export interface NodeOffer {
  readonly replicas: readonly Replica[];
  readonly engines: readonly EngineStatus[];
  /** Models that the node will serve when an engine of it is back. */
  readonly expected: readonly string[];
  /** It takes no new requests; those that run there run on. */
  readonly drained?: boolean;
}

/** What all nodes offer together. Replicas of drained nodes are not among it; their models are still expected. */
export interface BoardState {
  readonly replicas: readonly Replica[];
  readonly engines: readonly EngineStatus[];
  readonly expected: readonly string[];
}

/** Whether a replica may be used just now, by what its live traffic told. Times are `performance.now()`. */
export interface ReplicaGate {
  /** All replicas there are now, each with the life of its engine. */
  update(replicas: readonly Replica[], epochOf: (replica: Replica) => number): void;
  /** False: none is shut, and none need be asked for. */
  readonly anyShut: boolean;
  /** 0: yes; else when to look again at the latest. */
  shutUntilMs(replicaId: string, nowMs: number): number;
  /** It was picked: where one request may try, this is the one. */
  picked(replicaId: string, nowMs: number): void;
}

const ALWAYS_OPEN: ReplicaGate = {
  update: () => undefined,
  anyShut: false,
  shutUntilMs: () => 0,
  picked: () => undefined,
};

/**
 * The replicas there are and what each has in flight. A request for a model whose engine is just starting waits here
 * until the replica appears; one for a model whose engine is down for good fails at once, with the way to start it.
 */
export class ReplicaBoard {
  readonly #localNode: string;
  readonly #waitMs: number;
  readonly #busy = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  readonly #gate: ReplicaGate;
  readonly #nodes = new Map<string, NodeOffer>();
  #state: BoardState = { replicas: [], engines: [], expected: [] };
  #byModel: ReadonlyMap<string, readonly Replica[]> = new Map();

  constructor(localNode: string, waitMs: number, gate: ReplicaGate = ALWAYS_OPEN) {
    this.#localNode = localNode;
    this.#waitMs = waitMs;
    this.#gate = gate;
  }

  get state(): BoardState {
    return this.#state;
  }

  /** A node's newest state, instead of what it offered before. */
  update(node: string, offer: NodeOffer): void {
    this.#nodes.set(node, offer);
    this.#changed();
  }

  /** The node is gone: nothing is sent there any more. */
  remove(node: string): void {
    if (this.#nodes.delete(node)) this.#changed();
  }

  /** The engine that serves a replica, as its node last told; ids of engines are a node's own. */
  engineOf({ node, engineId }: Pick<Replica, "node" | "engineId">): EngineStatus | undefined {
    return this.#nodes.get(node)?.engines.find(({ id }) => id === engineId);
  }

  #changed(): void {
    this.#state = merge(this.#nodes.values());
    this.#byModel = Map.groupBy(this.#state.replicas, ({ model }) => model);
    // Drained ones too: what runs there runs on.
    const all = [...this.#nodes.values()].flatMap(({ replicas }) => replicas);
    this.#gate.update(all, (replica) => this.engineOf(replica)?.epoch ?? 0);
    this.wake();
  }

  /** Something changed that is not in the state: a gate that opened. */
  wake(): void {
    const waiting = [...this.#waiting];
    for (const wake of waiting) wake();
  }

  busy(replicaId: string): number {
    return this.#busy.get(replicaId) ?? 0;
  }

  get inFlight(): number {
    let total = 0;
    for (const count of this.#busy.values()) total += count;
    return total;
  }

  /** One more in flight; the returned function, called any number of times, takes it back once. */
  begin(replica: Replica): () => void {
    const { id } = replica;
    this.#busy.set(id, this.busy(id) + 1);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      const left = this.busy(id) - 1;
      if (left > 0) this.#busy.set(id, left);
      else this.#busy.delete(id);
    };
  }

  /** Whether a request that cannot stay at this replica could go to another one now. */
  hasOther({ id, model }: Replica): boolean {
    const nowMs = performance.now();
    return this.#open(model, nowMs).some((other) => other.id !== id);
  }

  async pick(
    model: string,
    tried: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<Result<{ replica: Replica; reason: string }, Failure>> {
    const deadline = performance.now() + this.#waitMs;
    while (true) {
      const nowMs = performance.now();
      const pick = leastBusy(this.#open(model, nowMs), model, tried, this, this.#localNode);
      if (pick) {
        this.#gate.picked(pick.replica.id, nowMs);
        return ok(pick);
      }
      if (signal.aborted) return err({ kind: "cancelled" });
      const leftMs = deadline - nowMs;
      const shutMs = this.#shutMs(model, tried, nowMs);
      const comingUp = this.#state.engines.some((engine) => engine.state === "starting" || engine.state === "backoff");
      if ((!comingUp && shutMs <= 0) || leftMs <= 0) return err(this.#down());
      await this.#change(shutMs > 0 ? Math.min(leftMs, shutMs) : leftMs, signal);
    }
  }

  #open(model: string, nowMs: number): readonly Replica[] {
    const replicas = this.#byModel.get(model) ?? [];
    if (!this.#gate.anyShut) return replicas;
    return replicas.filter(({ id }) => this.#gate.shutUntilMs(id, nowMs) === 0);
  }

  /** How long all of this model's replicas are shut still, at the least; 0: none is. */
  #shutMs(model: string, tried: ReadonlySet<string>, nowMs: number): number {
    let soonest = 0;
    for (const { id } of this.#byModel.get(model) ?? []) {
      const untilMs = tried.has(id) ? 0 : this.#gate.shutUntilMs(id, nowMs);
      if (untilMs > nowMs) soonest = soonest === 0 ? untilMs - nowMs : Math.min(soonest, untilMs - nowMs);
    }
    return soonest;
  }

  /** Resolves at the next change, after `limitMs`, or when the client goes. */
  #change(limitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      this.#waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #down(): Failure {
    const engine = this.#state.engines.find((candidate) => candidate.state !== "ready") ?? this.#state.engines[0];
    if (!engine) return unreachable("embedded", "this machine", "flock up");
    return unreachable(engine.kind, engine.endpoint || "this machine", engine.start);
  }
}

function merge(offers: Iterable<NodeOffer>): BoardState {
  const replicas: Replica[] = [];
  const engines: EngineStatus[] = [];
  const expected = new Set<string>();
  for (const offer of offers) {
    engines.push(...offer.engines);
    for (const model of offer.expected) expected.add(model);
    if (offer.drained === true) for (const { model } of offer.replicas) expected.add(model);
    else replicas.push(...offer.replicas);
  }
  return { replicas, engines, expected: [...expected] };
}

function unreachable(engine: EngineKind, endpoint: string, start: string): Failure {
  return { kind: "engine_unreachable", engine, endpoint, start };
}
