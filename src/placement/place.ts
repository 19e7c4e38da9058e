import type { Gpu } from "../core/node.ts";

/** A node as placement looks at it. */
export interface PlacementNode {
  readonly id: string;
  readonly name: string;
  readonly standing: "joining" | "ready" | "draining" | "drained" | "lost";
  /** Its engine is Flock's own, which loads models when it is told to. */
  readonly loadsModels: boolean;
  /** False: its admin wants no model put there unasked (`--no-assign`). */
  readonly assignable: boolean;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  readonly gpus: readonly Gpu[];
  /** Models that it serves or is loading. */
  readonly models: readonly string[];
  /** Those among them that are no more than the bundled smoke test. */
  readonly smokeTests: number;
  /** Models whose files lie there. */
  readonly files: ReadonlySet<string>;
  /** Requests in flight over slots. */
  readonly load: number;
}

export interface ModelNeed {
  readonly model: string;
  /** What it takes when loaded, with room to work. */
  readonly memoryBytes: number;
  /** The catalogue's floors; 0: none. */
  readonly minMemoryBytes: number;
  readonly minVramBytes: number;
  /** Nobody asked for this node by name: nodes that do not want to be assigned are left out. */
  readonly unasked: boolean;
}

export interface Refused {
  readonly node: string;
  readonly name: string;
  /** In one line, for a person. */
  readonly why: string;
}

export interface Placement {
  /** Null: no node can take it. */
  readonly node: PlacementNode | null;
  readonly refused: readonly Refused[];
}

/** Null: nothing against it. */
type Filter = (node: PlacementNode, need: ModelNeed) => string | null;
/** Higher is better; each is between 0 and 1. */
type Scorer = (node: PlacementNode, need: ModelNeed) => number;

const FILTERS: readonly Filter[] = [
  ({ standing }) => (standing === "ready" ? null : `is ${standing}`),
  ({ models }, { model }) => (models.includes(model) ? `has ${model} already` : null),
  ({ assignable }, { unasked }) => (unasked && !assignable ? "joined with --no-assign" : null),
  ({ loadsModels }) => (loadsModels ? null : "runs an engine that Flock did not start, and that loads its own models"),
  ({ memoryBytes }, { minMemoryBytes }) =>
    memoryBytes < minMemoryBytes ? `has ${gib(memoryBytes)} of memory, the model wants ${gib(minMemoryBytes)}` : null,
  ({ gpus }, { minVramBytes }) => {
    const vramBytes = gpus.reduce((sum, gpu) => sum + (gpu.memoryBytes ?? 0), 0);
    // Unified memory has no size of its own: the memory's floor speaks for it.
    if (minVramBytes === 0 || gpus.some((gpu) => gpu.memoryBytes === null) || vramBytes >= minVramBytes) return null;
    return `has ${gib(vramBytes)} of GPU memory, the model wants ${gib(minVramBytes)}`;
  },
  ({ freeMemoryBytes, gpus }, { memoryBytes }) => {
    const vramBytes = gpus.reduce((sum, gpu) => sum + (gpu.memoryBytes ?? 0), 0);
    return Math.max(freeMemoryBytes, vramBytes) < memoryBytes
      ? `has ${gib(freeMemoryBytes)} free, the model takes ${gib(memoryBytes)}`
      : null;
  },
];

/** In order of weight: each counts ten times the next. */
const SCORERS: readonly Scorer[] = [
  // What lies there need not travel.
  ({ files }, { model }) => (files.has(model) ? 1 : 0),
  // A node that does nothing useful yet comes before one that works.
  ({ models, smokeTests }) => (models.length <= smokeTests ? 1 : 0),
  ({ gpus }) => (gpus.length > 0 ? 1 : 0),
  ({ load }) => 1 - Math.min(1, load),
  ({ freeMemoryBytes, memoryBytes }) => (memoryBytes > 0 ? freeMemoryBytes / memoryBytes : 0),
];

/** Which node hosts the model: filters, then scores; ties go to the first. Pure. */
export function place(need: ModelNeed, nodes: readonly PlacementNode[]): Placement {
  const refused: Refused[] = [];
  let best: PlacementNode | null = null;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const node of nodes) {
    const why = firstOf(FILTERS, (filter) => filter(node, need));
    if (why !== null) {
      refused.push({ node: node.id, name: node.name, why });
      continue;
    }
    const score = SCORERS.reduce((sum, scorer, rank) => sum + scorer(node, need) / 10 ** rank, 0);
    if (score > bestScore) {
      best = node;
      bestScore = score;
    }
  }
  return { node: best, refused };
}

/** `gpu-tower has 2 GiB free, the model takes 9 GiB; lab-mac is lost`. */
export function sayRefused(refused: readonly Refused[]): string {
  if (refused.length === 0) return "there is no other node";
  return refused.map(({ name, why }) => `${name} ${why}`).join("; ");
}

function firstOf<T>(list: readonly T[], look: (one: T) => string | null): string | null {
  for (const one of list) {
    const found = look(one);
    if (found !== null) return found;
  }
  return null;
}

function gib(bytes: number): string {
  const value = bytes / 1024 ** 3;
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} GiB`;
}
