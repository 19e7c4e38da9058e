import type { NodeState } from "../../core/node.ts";
import type { LinkKind } from "../link.ts";

/**
 * `joining`: known, and not heard of in this leader's life yet. `draining`: no new requests but for models that are
 * being moved; `drained`: nothing runs there any more. `lost`: three beats were missed. A removed node is not there.
 */
export type NodeStanding = "joining" | "ready" | "draining" | "drained" | "lost";

/** A node as it is kept; the rest is told anew after every start of the leader. */
export interface NodeRecord {
  readonly id: string;
  /** Its host's name, or what its admin called it; unique. */
  readonly name: string;
  readonly joinedAt: number;
  /** Epoch ms; null: never. */
  readonly lastSeenAt: number | null;
  /** Since when it is to take no requests; null: it may. */
  readonly drainedAt: number | null;
}

export interface NodeEvent {
  readonly at: number;
  readonly what: string;
}

/** What is known of one node. Immutable: each change is a new value. */
export interface NodeEntry extends NodeRecord {
  readonly link: LinkKind;
  readonly standing: NodeStanding;
  /** Changes when a node comes back after it was lost: what was decided for an earlier life holds no more. */
  readonly epoch: number;
  /** The newest that the node told; null: nothing yet. */
  readonly state: NodeState | null;
  /** Requests that run there by its own count, by replica id. */
  readonly load: ReadonlyMap<string, number>;
  /** Monotonic ms until which it counts as alive; infinite for the leader's own. */
  readonly aliveUntilMs: number;
  /** Models that a draining node goes on serving until another node has them. */
  readonly held: ReadonlySet<string>;
  /** Newest last. */
  readonly events: readonly NodeEvent[];
}

const MOST_EVENTS = 50;

export function withEvent(entry: NodeEntry, at: number, what: string): NodeEntry {
  return { ...entry, events: [...entry.events.slice(1 - MOST_EVENTS), { at, what }] };
}

/** What of a node may be routed to: nothing of one that is lost or has not told anything; null: the node is not there. */
export function routable({ standing, state, held }: NodeEntry): NodeState | null {
  if (state === null || standing === "joining" || standing === "lost") return null;
  if (standing === "ready") return state;
  const replicas = standing === "draining" ? state.replicas.filter(({ model }) => held.has(model)) : [];
  // Engines of a drained node must not let requests wait for them.
  return { ...state, replicas, engines: state.engines.map((engine) => ({ ...engine, models: [] })) };
}
