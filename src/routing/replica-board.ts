import type { Failure } from "../core/failure.ts";
import type { EngineStatus } from "../core/node.ts";
import type { EngineKind, Replica } from "../core/replica.ts";

/** What one node offers; the board is told anew each time something changes there. */
export interface NodeOffer {
  readonly replicas: readonly Replica[];
  readonly engines: readonly EngineStatus[];
  /** Models that the node will serve when an engine of it is back. */
  readonly expected: readonly string[];
}

/** What all nodes offer together. */
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

/** One that is being ended is started again, unless a person stopped it: what comes next tells. */
const COMING: ReadonlySet<EngineStatus["state"]> = new Set(["starting", "backoff", "stopping"]);

const ALWAYS_OPEN: ReplicaGate = {
  update: () => undefined,
  anyShut: false,
  shutUntilMs: () => 0,
  picked: () => undefined,
};

/** The replicas that there are, as their nodes tell, and which of them may be used just now. */
export class ReplicaBoard {
  readonly gate: ReplicaGate;
  readonly #nodes = new Map<string, NodeOffer>();
  readonly #listeners = new Set<() => void>();
  #state: BoardState = { replicas: [], engines: [], expected: [] };

  constructor(gate: ReplicaGate = ALWAYS_OPEN) {
    this.gate = gate;
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

  /** Called after each change; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Something changed that is not in the state: a gate that opened. */
  wake(): void {
    for (const listener of this.#listeners) listener();
  }

  /** The engine that serves a replica, as its node last told; ids of engines are a node's own. */
  engineOf({ node, engineId }: Pick<Replica, "node" | "engineId">): EngineStatus | undefined {
    return this.#nodes.get(node)?.engines.find(({ id }) => id === engineId);
  }

  /** A new epoch: the engine was started anew, and knows nothing of what it was asked before. */
  epochOf(replica: Replica): number {
    return this.engineOf(replica)?.epoch ?? 0;
  }

  /** How long the replica is shut still; 0: it may be used. */
  shutMs(replicaId: string, nowMs: number): number {
    return this.gate.anyShut ? Math.max(0, this.gate.shutUntilMs(replicaId, nowMs) - nowMs) : 0;
  }

  /** Whether a request that cannot stay at this replica could go to another one now. */
  hasOther({ id, model }: Replica): boolean {
    const nowMs = performance.now();
    return this.#state.replicas.some(
      (other) => other.model === model && other.id !== id && this.shutMs(other.id, nowMs) === 0,
    );
  }

  /** Is an engine on its way up that serves the model, or may? */
  comingUp(model: string): boolean {
    return this.#state.engines.some(
      ({ state, models }) => COMING.has(state) && (models.length === 0 || models.includes(model)),
    );
  }

  /** Why nobody serves the model, with the command that helps. */
  down(model: string): Failure {
    const { engines } = this.#state;
    const dead = engines.filter(({ state }) => state !== "ready");
    const engine = dead.find(({ models }) => models.includes(model)) ?? dead[0] ?? engines[0];
    if (!engine) return unreachable("embedded", "this machine", "flock up");
    return unreachable(engine.kind, engine.endpoint || "this machine", engine.start);
  }

  #changed(): void {
    this.#state = merge(this.#nodes.values());
    this.gate.update(this.#state.replicas, (replica) => this.epochOf(replica));
    this.wake();
  }
}

function merge(offers: Iterable<NodeOffer>): BoardState {
  const replicas: Replica[] = [];
  const engines: EngineStatus[] = [];
  const expected = new Set<string>();
  for (const offer of offers) {
    engines.push(...offer.engines);
    for (const model of offer.expected) expected.add(model);
    replicas.push(...offer.replicas);
  }
  return { replicas, engines, expected: [...expected] };
}

function unreachable(engine: EngineKind, endpoint: string, start: string): Failure {
  return { kind: "engine_unreachable", engine, endpoint, start };
}
