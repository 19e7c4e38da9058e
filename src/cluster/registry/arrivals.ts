import type { StoredNode } from "../../store/nodes.ts";
import type { NodeRegistry } from "./node-registry.ts";

export interface ArrivalsParts {
  readonly registry: Pick<NodeRegistry, "get" | "onChange">;
  /** The node serves nothing useful, and there is a model that it could be given. */
  readonly wants: (node: string) => boolean;
  readonly log: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/**
 * Nodes that have joined, and were not looked at yet whether they should get a model. Until then they are kept as nodes that
 * nobody has seen, so that a leader which ends before leaves them to the next one.
 */
export class Arrivals {
  readonly #parts: ArrivalsParts;
  readonly #nodes: Set<string>;
  readonly #asking = new Set<string>();

  /** `before`: those that an earlier leader left. */
  constructor(parts: ArrivalsParts, before: readonly string[]) {
    this.#parts = parts;
    this.#nodes = new Set(before);
  }

  /** Looks at them as they come up. `assign` resolves when it is kept that a node is to get a model. */
  begin(assign: (node: string) => Promise<void>): void {
    this.#parts.registry.onChange((node) => this.#look(node, assign));
  }

  add(node: string): void {
    this.#nodes.add(node);
  }

  has(node: string): boolean {
    return this.#nodes.has(node);
  }

  #look(node: string, assign: (node: string) => Promise<void>): void {
    const { registry, wants, log } = this.#parts;
    if (!this.#nodes.has(node) || this.#asking.has(node)) return;
    const entry = registry.get(node);
    if (entry === null) return void this.#nodes.delete(node);
    if (entry.standing !== "ready") return;
    // What it serves by itself is known only when its engines have come up.
    if (entry.state?.engines.some(({ state }) => state === "starting") === true) return;
    if (!wants(node)) return void this.#nodes.delete(node);
    this.#asking.add(node);
    assign(node)
      .then(
        () => void this.#nodes.delete(node),
        // Its next change asks again.
        (cause: unknown) => log("no model is assigned", { node, cause }),
      )
      .finally(() => this.#asking.delete(node));
  }
}

/** Those that may get a model unasked, and that no leader has looked at. */
export function neverSeen(nodes: readonly StoredNode[]): string[] {
  return nodes
    .filter(({ role, assign, lastSeenAt }) => role === "worker" && assign && lastSeenAt === null)
    .map(({ id }) => id);
}
