import { err, ok, type Result } from "../../core/result.ts";
import { listNodes, type StoredNode } from "../../store/nodes.ts";
import type { Store } from "../../store/store.ts";
import { type NodeChange, takeOver } from "./node-changes.ts";
import type { OwnRows } from "./own-rows.ts";
import type { RemovedNodes } from "./removed-nodes.ts";

export type NodeProblem =
  | { readonly kind: "not_found"; readonly what: string; readonly mend: string }
  | { readonly kind: "conflict"; readonly message: string; readonly mend: string };

/** The rows of nodes as this leader holds them in memory, and how it takes over what other leaders changed. */
export class KnownNodes {
  readonly #store: Store;
  readonly #removed: RemovedNodes;
  readonly #rows: OwnRows;
  readonly #nodes = new Map<string, StoredNode>();
  /** Of other leaders' own machines, which are not shown here. */
  readonly #othersNames = new Set<string>();
  readonly #listeners = new Set<(change: NodeChange) => void>();

  constructor(store: Store, removed: RemovedNodes, rows: OwnRows) {
    this.#store = store;
    this.#removed = removed;
    this.#rows = rows;
  }

  /** Called with what another leader changed, once it holds here. */
  onChange(listener: (change: NodeChange) => void): void {
    this.#listeners.add(listener);
  }

  /** Removed ones are not among them. */
  list(): readonly StoredNode[] {
    return [...this.#nodes.values()].filter(({ removedAt }) => removedAt === null);
  }

  /** Removed ones too. */
  get(id: string): StoredNode | null {
    return this.#nodes.get(id) ?? null;
  }

  /** One that was not removed. */
  live(id: string): Result<StoredNode, NodeProblem> {
    const node = this.#nodes.get(id);
    if (node !== undefined && node.removedAt === null) return ok(node);
    return err({ kind: "not_found", what: `node ${id}`, mend: "flock node ls" });
  }

  /** The store has it, or will. */
  set(node: StoredNode): void {
    this.#nodes.set(node.id, node);
  }

  /** Does it beat to this leader? */
  isOwn({ leader }: Pick<StoredNode, "leader">): boolean {
    return leader === "" || leader === this.#rows.leader;
  }

  /** Of a node without a record, too. */
  wasRemoved(id: string): boolean {
    return this.#removed.has(id) || (this.#nodes.get(id)?.removedAt ?? null) !== null;
  }

  /** Two machines of one name are told apart by a number. */
  freeName(wanted: string, own: readonly string[]): string {
    const others = [...this.#nodes.values()].filter(({ id }) => !own.includes(id)).map(({ name }) => name);
    const taken = new Set([...others, ...this.#othersNames]);
    if (!taken.has(wanted)) return wanted;
    for (let count = 2; ; count += 1) if (!taken.has(`${wanted}-${count}`)) return `${wanted}-${count}`;
  }

  /** Takes over what other leaders changed; whoever listens hears of each node, but not the first time. */
  async load(): Promise<void> {
    const first = this.#nodes.size === 0;
    if (!first && this.#rows.leader === "") return;
    for (const row of await listNodes(this.#store.sql)) {
      const id = this.#rows.known(row);
      if (id === null) {
        this.#othersNames.add(row.name);
        continue;
      }
      const now = { ...row, id };
      const { node, change } = takeOver(this.#nodes.get(id), now, (one) => this.isOwn(one));
      this.#nodes.set(id, node);
      if (change === null || first) continue;
      if (change.kind === "removed") this.#removed.add(id, node.removedAt ?? this.#store.clock.now());
      for (const listener of this.#listeners) listener(change);
    }
  }
}
