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

/** An agent notices a dead child at once and a dead engine of somebody else within this. */
const SUSPECT_MS = 3_000;

/**
 * The replicas there are and what each has in flight. A request for a model whose engine is just starting waits here
 * until the replica appears; one for a model whose engine is down for good fails at once, with the way to start it.
 */
export class ReplicaBoard {
  readonly #localNode: string;
  readonly #waitMs: number;
  readonly #busy = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  /** Replicas where nobody answered, until the node tells more: its engine's epoch then, and when to stop doubting. */
  readonly #suspects = new Map<string, { readonly epoch: number; readonly untilMs: number }>();
  readonly #nodes = new Map<string, NodeOffer>();
  #state: BoardState = { replicas: [], engines: [], expected: [] };
  #byModel: ReadonlyMap<string, readonly Replica[]> = new Map();

  constructor(localNode: string, waitMs: number) {
    this.#localNode = localNode;
    this.#waitMs = waitMs;
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
    for (const [id, { epoch }] of this.#suspects) {
      const replica = this.#state.replicas.find((candidate) => candidate.id === id);
      if (!replica || this.#epochOf(replica) !== epoch) this.#suspects.delete(id);
    }
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

  /** Nobody answered there: no request goes there until the node reports, or for a moment at most. */
  suspect(replica: Replica): void {
    this.#suspects.set(replica.id, { epoch: this.#epochOf(replica), untilMs: performance.now() + SUSPECT_MS });
  }

  async pick(
    model: string,
    tried: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<Result<{ replica: Replica; reason: string }, Failure>> {
    const deadline = performance.now() + this.#waitMs;
    while (true) {
      const nowMs = performance.now();
      const pick = leastBusy(this.#trusted(model, nowMs), model, tried, this, this.#localNode);
      if (pick) return ok(pick);
      if (signal.aborted) return err({ kind: "cancelled" });
      const leftMs = deadline - nowMs;
      const doubtedMs = this.#doubtedMs(model, tried, nowMs);
      const comingUp = this.#state.engines.some((engine) => engine.state === "starting" || engine.state === "backoff");
      if ((!comingUp && doubtedMs <= 0) || leftMs <= 0) return err(this.#down());
      await this.#change(comingUp ? leftMs : Math.min(leftMs, doubtedMs), signal);
    }
  }

  #trusted(model: string, nowMs: number): readonly Replica[] {
    const replicas = this.#byModel.get(model) ?? [];
    if (this.#suspects.size === 0) return replicas;
    for (const [id, { untilMs }] of this.#suspects) if (untilMs <= nowMs) this.#suspects.delete(id);
    return replicas.filter(({ id }) => !this.#suspects.has(id));
  }

  /** How long the doubt about this model's replicas may last at most; 0: there is none. */
  #doubtedMs(model: string, tried: ReadonlySet<string>, nowMs: number): number {
    let longest = 0;
    for (const { id } of this.#byModel.get(model) ?? []) {
      const suspect = !tried.has(id) ? this.#suspects.get(id) : undefined;
      if (suspect) longest = Math.max(longest, suspect.untilMs - nowMs);
    }
    return longest;
  }

  #epochOf(replica: Replica): number {
    return this.engineOf(replica)?.epoch ?? 0;
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
