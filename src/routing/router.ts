import type { CancelSignal } from "../core/cancellation.ts";
import type { Failure } from "../core/failure.ts";
import type { Replica } from "../core/replica.ts";
import { err, ok } from "../core/result.ts";
import { AffinityBook, type Told } from "./affinity-book.ts";
import { ChangeBell } from "./change-bell.ts";
import { chooseReplica } from "./choose-replica.ts";
import { misfits } from "./misfits.ts";
import { explainRoute, type ReplicaVerdict, type RouteExplanation } from "./explain-route.ts";
import type { Fit } from "./fair-queue.ts";
import { type LeaseTerms, OUTPUT_WEIGHT, SlotLease } from "./lease.ts";
import { ModelDesk } from "./model-desk.ts";
import { Openings } from "./openings.ts";
import type { ReplicaBoard } from "./replica-board.ts";
import { ReplicaLoads } from "./replica-loads.ts";
import type { QueuePlace, RouteAsk } from "../core/route-ask.ts";
import type { Picked, RouterClock } from "./router-port.ts";
import { cancelled, WaitingRequest } from "./waiting-request.ts";

export interface RouterLimits {
  /** How long a request waits for an engine that is starting. */
  readonly replicaWaitMs: number;
  /** How long it waits for a slot. */
  readonly queueWaitMs: number;
  /** How many wait for the slots of one model. */
  readonly queueLength: number;
}

export interface RouterOptions {
  readonly board: ReplicaBoard;
  readonly localNode: string;
  readonly limits: RouterLimits;
  readonly clock: RouterClock;
  readonly stickySessions: boolean;
  /** May another key than the one that asks come at any time? */
  readonly severalKeys: () => boolean;
  /** Told of each decision, with the reason for each replica that was not taken; null: nobody wants to know. */
  readonly onDecision: ((ask: RouteAsk, verdicts: readonly ReplicaVerdict[]) => void) | null;
}

/** Times the number of replicas: as often may others go before a request, because its replica is not the one that is free. */
const PASSES = 4;

const NONE: ReadonlySet<string> = new Set();

type Desk = ModelDesk<WaitingRequest>;

/**
 * Gives each request a slot of a replica: at once where one is free, else in turn, fair across keys. Where one replica
 * serves a model, nothing is computed about conversations.
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #desks = new Map<string, Desk>();
  readonly #loads: ReplicaLoads;
  readonly #book: AffinityBook;
  readonly #openings: Openings;
  readonly #changes: ChangeBell;
  readonly #later = new Set<Desk>();

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#book = new AffinityBook(options.stickySessions);
    this.#openings = new Openings(options.board, options.severalKeys);
    this.#changes = new ChangeBell(options.clock);
    this.#loads = new ReplicaLoads((replicaId) => this.#book.forget(replicaId));
    options.board.onChange(() => this.#changed());
    this.#changed();
  }

  /** Requests in flight on a replica. */
  busy(replicaId: string): number {
    return this.#loads.get(replicaId)?.inFlight ?? 0;
  }

  get inFlight(): number {
    return this.#loads.inFlight;
  }

  /** Requests that wait for a slot of the model. */
  waiting(model: string): number {
    return this.#desks.get(model)?.queue.length ?? 0;
  }

  /** The same of every model that is served, or was. */
  queues(): readonly { readonly model: string; readonly waiting: number }[] {
    return [...this.#desks].map(([model, { queue }]) => ({ model, waiting: queue.length }));
  }

  /** A live replica of the model, without a slot of it: for questions that cost the engine next to nothing. */
  peek(model: string): Replica | null {
    const loads = this.#desks.get(model)?.loads ?? [];
    const { board, clock } = this.#options;
    if (!board.gate.anyShut) return loads[0]?.replica ?? null;
    const nowMs = clock.nowMs();
    return (loads.find(({ replica }) => board.shutMs(replica.id, nowMs) === 0) ?? loads[0])?.replica ?? null;
  }

  /** The largest context that any live replica of the model has. */
  widest(model: string): number {
    const loads = this.#desks.get(model)?.loads ?? [];
    return loads.reduce((most, { replica }) => Math.max(most, replica.contextTokens), 0);
  }

  /** A slot, at once where one is free for this key. `tried` holds ids of replicas that failed this request. */
  pick(ask: RouteAsk, tried: ReadonlySet<string>, signal: CancelSignal): Picked | Promise<Picked> {
    const nowMs = this.#options.clock.nowMs();
    this.#openings.saw(ask.keyId, nowMs);
    const desk = this.#desks.get(ask.model);
    if (desk !== undefined && desk.queue.length === 0) {
      const lease = this.#take(desk, ask, tried, nowMs, 0);
      if (lease !== null) return ok(lease);
    }
    return this.#wait(ask, tried, signal, nowMs);
  }

  /** What `pick` would decide now, and why not otherwise; nothing changes by it. */
  explain(ask: RouteAsk, tried = NONE): RouteExplanation {
    const { clock, localNode } = this.#options;
    const nowMs = clock.nowMs();
    const desk = this.#desks.get(ask.model) ?? new ModelDesk<WaitingRequest>(ask.model);
    const misfit = misfits(desk.loads, ask);
    const affinities = this.#book.look(this.#book.read(ask));
    const costTokens = ask.promptTokens + desk.expectedOutputTokens(ask.maxOutputTokens) * OUTPUT_WEIGHT;
    const replicas = explainRoute(
      desk.loads,
      (load) => this.#openings.refusal(load, ask, tried, nowMs) ?? misfit(load),
      (candidates) => chooseReplica({ candidates, affinities, costTokens, localNode }),
    );
    return { waiting: desk.queue.length, replicas };
  }

  #tell(ask: RouteAsk, tried: ReadonlySet<string>): void {
    const { onDecision } = this.#options;
    if (onDecision !== null) onDecision(ask, this.explain(ask, tried).replicas);
  }

  async #wait(ask: RouteAsk, tried: ReadonlySet<string>, signal: CancelSignal, sinceMs: number): Promise<Picked> {
    const { board, clock, limits } = this.#options;
    while (!signal.aborted) {
      const nowMs = clock.nowMs();
      const desk = this.#desks.get(ask.model);
      const shutMs = desk === undefined ? Number.POSITIVE_INFINITY : this.#openings.shutMs(desk, tried, nowMs);
      if (desk !== undefined && shutMs === 0) return this.#queueUp(desk, ask, tried, signal, sinceMs);
      const leftMs = sinceMs + limits.replicaWaitMs - nowMs;
      const hope = shutMs < Number.POSITIVE_INFINITY || board.comingUp(ask.model);
      if (!hope || !ask.patient || leftMs <= 0) return err(board.down(ask.model));
      await this.#changes.wait(Math.min(leftMs, shutMs), signal);
    }
    return cancelled();
  }

  #queueUp(
    desk: Desk,
    ask: RouteAsk,
    tried: ReadonlySet<string>,
    signal: CancelSignal,
    sinceMs: number,
  ): Picked | Promise<Picked> {
    const { clock, limits } = this.#options;
    const { queue } = desk;
    if (queue.length >= limits.queueLength) {
      const longest = queue.longestOther(ask.keyId);
      if (longest === null) return err(full(desk, queue.length));
      queue.remove(longest);
      longest.settle(err(full(desk, queue.length)));
    }
    const costTokens = ask.promptTokens + desk.expectedOutputTokens(ask.maxOutputTokens) * OUTPUT_WEIGHT;
    const entry = new WaitingRequest(ask, tried, costTokens, sinceMs);
    queue.push(entry);
    this.#dispatch(desk);
    if (entry.settled !== null) return entry.settled;
    const place: QueuePlace = { position: () => queue.positionOf(entry) };
    ask.queued(place);
    return entry.wait(
      signal,
      (expired) => clock.after(limits.queueWaitMs, expired),
      (why) => {
        const ahead = place.position();
        if (!queue.remove(entry)) return;
        const expired = { ...full(desk, ahead), waitedMs: limits.queueWaitMs };
        entry.settle(why === "cancelled" ? cancelled() : err(expired));
      },
    );
  }

  /** Gives free slots to those whose turn it is. */
  #dispatch(desk: Desk): void {
    const nowMs = this.#options.clock.nowMs();
    while (desk.queue.length > 0 && desk.hasFreeSlot) {
      const entry = desk.queue.next((waiting) => this.#fit(desk, waiting, nowMs), PASSES * desk.loads.length);
      if (entry === null) break;
      const { ask, tried, sinceMs } = entry;
      const lease = this.#take(desk, ask, tried, nowMs, nowMs - sinceMs, entry.told);
      // Without one it would be lost: it cannot happen, since it fitted a moment ago.
      entry.settle(lease === null ? err(full(desk, desk.queue.length)) : ok(lease));
    }
    if (desk.queue.length > 0 && this.#options.board.gate.anyShut) this.#dispatchLater(desk, nowMs);
  }

  /** Of several replicas the one that came free suits best whose conversation it knows, and those whom none knows. */
  #fit(desk: Desk, entry: WaitingRequest, nowMs: number): Fit {
    const candidates = this.#openings.of(desk, entry.ask, entry.tried, nowMs);
    if (candidates.length === 0) return "no";
    if (desk.loads.length === 1) return "well";
    entry.told ??= this.#book.read(entry.ask);
    const [best] = this.#book.look(entry.told);
    return best === undefined || candidates.some(({ replica }) => replica.id === best.replicaId) ? "well" : "yes";
  }

  /** Nobody says when a replica that was shut for a while may be tried again. */
  #dispatchLater(desk: Desk, nowMs: number): void {
    const { board, clock } = this.#options;
    const shut = desk.loads.map(({ replica }) => board.shutMs(replica.id, nowMs)).filter((ms) => ms > 0);
    if (shut.length === 0 || this.#later.has(desk)) return;
    this.#later.add(desk);
    clock.after(Math.min(...shut), () => {
      this.#later.delete(desk);
      this.#dispatch(desk);
    });
  }

  #take(
    desk: Desk,
    ask: RouteAsk,
    tried: ReadonlySet<string>,
    nowMs: number,
    queueMs: number,
    before: Told | null = null,
  ): SlotLease | null {
    const { keyId, batch, promptTokens } = ask;
    const outputTokens = desk.expectedOutputTokens(ask.maxOutputTokens);
    const terms = { keyId, batch, queueMs, outputTokens, startedMs: nowMs };
    const [only] = desk.loads;
    if (desk.loads.length === 1 && only !== undefined) {
      if (this.#openings.refusal(only, ask, tried, nowMs) !== null) return null;
      this.#tell(ask, tried);
      return this.#begin(desk, { ...terms, load: only, reason: "only replica", promptTokens }, null);
    }
    const candidates = this.#openings.of(desk, ask, tried, nowMs);
    if (candidates.length === 0) return null;
    this.#tell(ask, tried);
    const told = before ?? this.#book.read(ask);
    const affinities = this.#book.look(told);
    const costTokens = promptTokens + outputTokens * OUTPUT_WEIGHT;
    const { localNode } = this.#options;
    const { candidate: load, reason } = chooseReplica({ candidates, affinities, costTokens, localNode });
    const saved = affinities.find(({ replicaId }) => replicaId === load.replica.id)?.savedTokens ?? 0;
    return this.#begin(desk, { ...terms, load, reason, promptTokens: promptTokens - saved }, told);
  }

  #begin(desk: Desk, terms: LeaseTerms, told: Told | null): SlotLease {
    const { id } = terms.load.replica;
    const { gate } = this.#options.board;
    if (gate.anyShut) gate.picked(id, terms.startedMs);
    const given = told === null ? null : this.#book.give(told, id);
    return new SlotLease(terms, (lease, usage) => {
      if (usage !== null) {
        desk.served(this.#options.clock.nowMs() - terms.startedMs, usage.completionTokens);
        const cost = usage.promptTokens - usage.cachedTokens + usage.completionTokens * OUTPUT_WEIGHT;
        desk.queue.charge(terms, cost - lease.costTokens);
        // What an engine's earlier life had in its cache says nothing of this one.
        if (told !== null && given !== null && this.#loads.get(id) === terms.load)
          this.#book.learn(told, id, given, usage);
      }
      if (desk.queue.length > 0) this.#dispatch(desk);
    });
  }

  #changed(): void {
    const { board } = this.#options;
    const byModel = Map.groupBy(board.state.replicas, ({ model }) => model);
    for (const model of byModel.keys()) if (!this.#desks.has(model)) this.#desks.set(model, new ModelDesk(model));
    for (const [model, desk] of this.#desks) {
      desk.setLoads((byModel.get(model) ?? []).map((replica) => this.#loads.of(replica, board.epochOf(replica))));
      this.#dispatch(desk);
      if (desk.queue.length > 0) this.#dismiss(desk);
    }
    this.#loads.prune(board.state.replicas);
    this.#changes.ring();
  }

  /** Those whom no replica is left for hear of it, unless one may come back that they wait for. */
  #dismiss(desk: Desk): void {
    const { board } = this.#options;
    const comingUp = board.comingUp(desk.model);
    for (const entry of desk.queue.order()) {
      const left = desk.loads.some(({ replica }) => !entry.tried.has(replica.id));
      if (left || (comingUp && entry.ask.patient)) continue;
      desk.queue.remove(entry);
      entry.settle(err(board.down(desk.model)));
    }
  }
}

function full(desk: Desk, ahead: number): Extract<Failure, { kind: "queue_full" }> {
  return { kind: "queue_full", model: desk.model, retryAfterMs: Math.max(1000, desk.drainMs(ahead)) };
}
