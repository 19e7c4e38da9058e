import type { Clock } from "../../core/clock.ts";
import type { NodeState } from "../../core/node.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { intervalFor, leaseMs, nextBeatMs } from "./heartbeat-schedule.ts";
import type { LinkKind } from "../link.ts";
import {
  type NodeEntry,
  type NodeRecord,
  routable,
  UNKNOWN_UTILISATION,
  type Utilisation,
  withEvent,
} from "./node-entry.ts";
import { ownState } from "./own-state.ts";
import type { UnchangedState } from "../node-protocol.ts";

export interface RegistryParts {
  readonly clock: Clock;
  readonly log: (message: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Called with what may be routed to, each time that changes; null: nothing of this node any more. */
  readonly publish: (node: string, state: NodeState | null) => void;
}

export interface Beat {
  readonly state: NodeState | UnchangedState;
  /** Requests in flight by replica id. */
  readonly load: ReadonlyMap<string, number>;
  readonly utilisation: Utilisation;
  /** Changes with each start of the worker's process. */
  readonly life: number;
  /** Counts up within a life, from 1; 0: nothing will refer to this one. */
  readonly sequence: number;
}

export interface BeatAnswer {
  /** When to beat next, from now. */
  readonly nextMs: number;
  readonly epoch: number;
}

/** A node that has told nothing yet after the leader's start is `joining` for so long, then `lost`. */
const FIRST_BEAT_MS = 20_000;

/**
 * The nodes of the cluster, as one leader sees them. Everything here is in memory and synchronous; whoever changes
 * something that must outlive the leader writes it to the store first.
 */
export class NodeRegistry {
  readonly #parts: RegistryParts;
  readonly #nodes = new Map<string, NodeEntry>();
  readonly #listeners = new Set<(node: string) => void>();
  /** Each worker's place among them, which gives it its moment; null: somebody came or went. */
  #line: ReadonlyMap<string, number> | null = null;

  constructor(parts: RegistryParts) {
    this.#parts = parts;
  }

  /** By id, the leader's own first. */
  list(): readonly NodeEntry[] {
    return [...this.#nodes.values()].sort(
      (a, b) => Number(b.link === "local") - Number(a.link === "local") || a.joinedAt - b.joinedAt,
    );
  }

  get(id: string): NodeEntry | null {
    return this.#nodes.get(id) ?? null;
  }

  /** Called with a node's id after every change of it, heartbeats that say nothing new aside. Returns how to stop that. */
  onChange(listener: (node: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * A node known from an earlier life (with what is remembered of it), or one that has just registered; one of the same
   * id is replaced. `held`: where its drain has not ended, the models that it goes on serving.
   */
  admit(
    record: NodeRecord,
    link: LinkKind | null,
    state: NodeState | null = null,
    held: ReadonlySet<string> = new Set(),
  ): void {
    const now = this.#parts.clock.monotonicMs();
    const known = this.#nodes.get(record.id);
    this.#line = null;
    const entry: NodeEntry = {
      ...record,
      link,
      standing: "joining",
      epoch: this.#nextEpoch(known),
      state,
      load: new Map(),
      utilisation: UNKNOWN_UTILISATION,
      life: 0,
      toldBy: 0,
      aliveUntilMs: now + FIRST_BEAT_MS,
      held,
      leaving: new Set(),
      events: known?.events ?? [],
    };
    this.#set(
      withEvent(entry, this.#parts.clock.now(), known === undefined ? "known to the leader" : "registered again"),
    );
  }

  /** `unknown_node`: it has to register. `unknown_state`: it refers to what was not told here, and has to tell all. */
  beat(id: string, beat: Beat): Result<BeatAnswer, "unknown_node" | "unknown_state"> {
    const entry = this.#nodes.get(id);
    if (entry === undefined) return err("unknown_node");
    const { load, utilisation, life } = beat;
    const told = toldBy(entry, beat);
    if (told === null) return err("unknown_state");
    const now = this.#parts.clock.monotonicMs();
    const places = this.#places();
    const intervalMs = intervalFor(places.size);
    const nextMs = nextBeatMs(places.get(id) ?? 0, places.size, intervalMs, now);
    const lease = { aliveUntilMs: now + leaseMs(intervalMs, nextMs), lastSeenAt: this.#parts.clock.now() };
    const anew = entry.standing === "lost" || (entry.life !== 0 && entry.life !== life);
    const epoch = anew ? this.#nextEpoch(entry) : entry.epoch;
    this.#take({ ...entry, ...lease, epoch, life, utilisation, load, toldBy: told.by }, told.state);
    return ok({ nextMs, epoch });
  }

  /** The leader's own node, which needs no heartbeat: its agent's stream tells when it is gone. `held`: see `admit`. */
  local(record: NodeRecord, state: NodeState, held: ReadonlySet<string> = new Set()): void {
    const known = this.#nodes.get(record.id);
    const aliveUntilMs = Number.POSITIVE_INFINITY;
    const lastSeenAt = this.#parts.clock.now();
    if (known !== undefined) return this.#take({ ...known, lastSeenAt }, state);
    const entry = {
      ...record,
      lastSeenAt,
      link: "local",
      standing: "joining",
      epoch: this.#nextEpoch(undefined),
    } as const;
    this.#take(
      {
        ...entry,
        state: null,
        load: new Map(),
        utilisation: UNKNOWN_UTILISATION,
        life: 0,
        toldBy: 0,
        aliveUntilMs,
        held,
        leaving: new Set(),
        events: [],
      },
      state,
    );
  }

  /** Takes out whom nobody has heard for too long. Gives their ids. */
  sweep(): readonly string[] {
    const now = this.#parts.clock.monotonicMs();
    const silent = [...this.#nodes.values()].filter(
      ({ aliveUntilMs, standing }) => aliveUntilMs <= now && standing !== "lost",
    );
    for (const entry of silent) this.#lose(entry, "three heartbeats were missed");
    return silent.map(({ id }) => id);
  }

  /** Somebody knows better than to wait for the missed beats: the link is gone and cannot be made again. */
  lost(id: string, why: string): void {
    const entry = this.#nodes.get(id);
    if (entry !== undefined && entry.standing !== "lost" && entry.link !== "local") this.#lose(entry, why);
  }

  /** How the node is reached changed; null: it is not, and gets no requests until it is again. */
  linked(id: string, link: LinkKind | null): void {
    const entry = this.#nodes.get(id);
    if (entry === undefined || entry.link === link) return;
    if (link === null) return this.#set({ ...entry, link });
    this.#set(withEvent({ ...entry, link }, this.#parts.clock.now(), `linked by ${link}`));
  }

  /** No new requests but for the `held` models. */
  startDrain(id: string, held: ReadonlySet<string>, drainedAt: number): void {
    this.#change(
      id,
      (entry) => ({
        ...entry,
        held,
        drainedAt,
        standing: entry.standing === "ready" || entry.standing === "drained" ? "draining" : entry.standing,
      }),
      "drain began",
    );
  }

  /** Another node serves the model now, or none ever will: no new requests for it here. */
  letGo(id: string, model: string): void {
    this.#change(id, (entry) => ({ ...entry, held: new Set([...entry.held].filter((one) => one !== model)) }), null);
  }

  /** No new requests for the model here; what runs may end. Until `stay`. */
  leave(id: string, model: string): void {
    this.#change(id, (entry) => ({ ...entry, leaving: new Set([...entry.leaving, model]) }), null);
  }

  stay(id: string, model: string): void {
    const without = (leaving: ReadonlySet<string>) => new Set([...leaving].filter((one) => one !== model));
    this.#change(id, (entry) => ({ ...entry, leaving: without(entry.leaving) }), null);
  }

  finishDrain(id: string): void {
    this.#change(
      id,
      (entry) => ({ ...entry, held: new Set(), standing: entry.standing === "draining" ? "drained" : entry.standing }),
      "drained",
    );
  }

  undrain(id: string): void {
    const back = (entry: NodeEntry): NodeEntry => ({
      ...entry,
      held: new Set(),
      drainedAt: null,
      standing: entry.standing === "draining" || entry.standing === "drained" ? "ready" : entry.standing,
    });
    this.#change(id, back, "takes requests again");
  }

  note(id: string, what: string): void {
    this.#change(id, (entry) => entry, what);
  }

  /** False: there was none. */
  remove(id: string): boolean {
    const there = this.#nodes.delete(id);
    this.#line = null;
    if (there) {
      this.#parts.publish(id, null);
      this.#tell(id);
    }
    return there;
  }

  #take(entry: NodeEntry, state: NodeState): void {
    const { standing: before } = entry;
    const standing = before === "joining" || before === "lost" ? standingOf(entry) : before;
    const same = standing === before && entry.state?.version === state.version;
    const told: NodeEntry = { ...entry, standing, state };
    if (same) {
      // Free memory and load move with every beat; routing does not depend on them.
      this.#nodes.set(entry.id, told);
      return;
    }
    const what = standing === before ? null : before === "lost" ? "is back" : "is there";
    if (what !== null && entry.link !== "local")
      this.#parts.log(`node ${what}`, { node: entry.id, name: entry.name, epoch: entry.epoch });
    this.#set(what === null ? told : withEvent(told, this.#parts.clock.now(), what));
  }

  #lose(entry: NodeEntry, why: string): void {
    this.#parts.log("node is lost", { node: entry.id, name: entry.name, why });
    this.#set(withEvent({ ...entry, standing: "lost", load: new Map() }, this.#parts.clock.now(), `lost: ${why}`));
  }

  #change(id: string, change: (entry: NodeEntry) => NodeEntry, what: string | null): void {
    const entry = this.#nodes.get(id);
    if (entry === undefined) return;
    const changed = change(entry);
    this.#set(what === null ? changed : withEvent(changed, this.#parts.clock.now(), what));
  }

  #set(entry: NodeEntry): void {
    this.#nodes.set(entry.id, entry);
    this.#parts.publish(entry.id, routable(entry));
    this.#tell(entry.id);
  }

  #tell(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }

  #places(): ReadonlyMap<string, number> {
    this.#line ??= new Map(
      [...this.#nodes.values()].filter(({ link }) => link !== "local").map(({ id }, place) => [id, place]),
    );
    return this.#line;
  }

  /** The clock makes the epochs of a later leader higher than those of an earlier one. */
  #nextEpoch(known: NodeEntry | undefined): number {
    return Math.max(this.#parts.clock.now(), (known?.epoch ?? 0) + 1);
  }
}

/** Of a node that is there again. One that still has models that nobody else serves is not empty yet. */
function standingOf({ drainedAt, held }: NodeEntry): NodeEntry["standing"] {
  if (drainedAt === null) return "ready";
  return held.size > 0 ? "draining" : "drained";
}

/** The whole state that a beat means, and the number of the beat that told it. Null: that was not told here. */
function toldBy(
  { id, life, toldBy: before, state: known }: NodeEntry,
  { state, life: now, sequence }: Beat,
): { readonly state: NodeState; readonly by: number } | null {
  if (!("since" in state)) return { state: ownState(id, state), by: sequence };
  if (known === null || life !== now || before !== state.since) return null;
  const inventory = { ...known.inventory, freeMemoryBytes: state.freeMemoryBytes };
  return { state: { ...known, inventory }, by: before };
}
