import type { Inventory, NodeState } from "../../core/node.ts";
import type { EngineKind } from "../../core/replica.ts";
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

export interface Utilisation {
  readonly cpu: number | null;
  readonly gpu: number | null;
}

export const UNKNOWN_UTILISATION: Utilisation = { cpu: null, gpu: null };

export interface NodeEvent {
  readonly at: number;
  readonly what: string;
}

/** What is known of one node. Immutable: each change is a new value. */
export interface NodeEntry extends NodeRecord {
  /** Null: there is no way to it at the moment. */
  readonly link: LinkKind | null;
  readonly standing: NodeStanding;
  /** Changes when a node comes back after it was lost: what was decided for an earlier life holds no more. */
  readonly epoch: number;
  /** The newest that the node told; null: nothing yet. */
  readonly state: NodeState | null;
  /** Requests that run there by its own count, by replica id. */
  readonly load: ReadonlyMap<string, number>;
  /** Shares of 1, as it told last; null: not known. */
  readonly utilisation: Utilisation;
  /** When the worker's process started, by its own clock; 0: it has not told. */
  readonly life: number;
  /** The number of the heartbeat that told `state`, in that life; 0: none did. */
  readonly toldBy: number;
  /** Monotonic ms until which it counts as alive; infinite for the leader's own. */
  readonly aliveUntilMs: number;
  /** Models that a draining node goes on serving until another node has them. */
  readonly held: ReadonlySet<string>;
  /** Models that another node serves now: no new requests for them here, they are about to be unloaded. */
  readonly leaving: ReadonlySet<string>;
  /** Newest last. */
  readonly events: readonly NodeEvent[];
}

const MOST_EVENTS = 50;

export function withEvent(entry: NodeEntry, at: number, what: string): NodeEntry {
  return { ...entry, events: [...entry.events.slice(1 - MOST_EVENTS), { at, what }] };
}

/**
 * What routing is told of a node. Where it takes no requests its replicas are left out, and its engines say why: a
 * request for a model that only such a node has must hear that, not that the model does not exist.
 */
export function routable({ standing, state, held, leaving, name, link }: NodeEntry): NodeState | null {
  if (state === null || standing === "joining") return state;
  // It is heard of before its connections are made: who asks for its models waits for them, rather than fail on the way.
  if (link === null && (standing === "ready" || standing === "draining")) return comingUp(state);
  if (standing === "ready") {
    return leaving.size === 0
      ? state
      : { ...state, replicas: state.replicas.filter(({ model }) => !leaving.has(model)) };
  }
  if (standing === "lost") return down(state, "is lost", `flock node show ${name}`);
  const replicas =
    standing === "draining" ? state.replicas.filter(({ model }) => held.has(model) && !leaving.has(model)) : [];
  const why = down(state, "is drained", `flock node undrain ${name}`);
  const serving = new Set(replicas.map(({ engineId }) => engineId));
  const engines = state.engines.map((engine, at) => (serving.has(engine.id) ? engine : (why.engines[at] ?? engine)));
  return { ...why, replicas, engines };

  function comingUp(from: NodeState): NodeState {
    const problem = `node ${name} has no connection to the leader at the moment`;
    const start = `flock node show ${name}`;
    const engines = from.engines.map((engine) =>
      engine.state === "ready" ? { ...engine, state: "starting" as const, problem, start } : engine,
    );
    return { ...from, replicas: [], engines };
  }

  function down(from: NodeState, what: string, start: string): NodeState {
    const problem = `node ${name} ${what}`;
    const stopped = from.engines.map((engine) => ({
      ...engine,
      state: "crashloop" as const,
      problem,
      start,
      endpoint: problem,
    }));
    return { ...from, replicas: [], engines: stopped };
  }
}

/** What a node served in an earlier life of the leader, until it tells anew: requests for its models wait for it. */
export function remembered(
  { id, name }: Pick<NodeRecord, "id" | "name">,
  inventory: Inventory,
  placements: readonly { readonly model: string; readonly engine: EngineKind }[],
): NodeState {
  const engines = [...Map.groupBy(placements, ({ engine }) => engine)].map(([kind, group]) => ({
    id: kind,
    kind,
    managed: true,
    state: "starting" as const,
    endpoint: `node ${name}`,
    secret: "",
    pid: null,
    restarts: 0,
    problem: `node ${name} has not been heard of since the leader's start`,
    start: `flock node show ${name}`,
    models: group.map(({ model }) => model),
    epoch: 0,
  }));
  return { node: id, inventory, engines, replicas: [], embeddedGpu: null, problems: [], version: 0 };
}
