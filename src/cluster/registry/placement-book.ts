import type { Replica } from "../../core/replica.ts";
import {
  deletePlacement,
  deletePlacementsOf,
  listPlacements,
  putPlacement,
  type StoredPlacement,
} from "../../store/placements.ts";
import type { Store } from "../../store/store.ts";
import type { NodeEntry } from "./node-entry.ts";
import type { OwnRows } from "./own-rows.ts";

/**
 * Which node has which model, brought in line with what nodes tell; written only where it changed. It outlives the
 * leader, so that a request which comes before its node was heard of waits instead of hearing that there is no such model.
 */
export class PlacementBook {
  readonly #store: Store;
  readonly #rows: OwnRows;
  readonly #placements: Map<string, StoredPlacement>;
  /** Why a model is being put on a node, by `<node>/<model>`, until the node has it. */
  readonly #reasons = new Map<string, string>();
  /** Nodes of which the store refused something: all of theirs is written anew. */
  readonly #behind = new Set<string>();
  #writing: Promise<void> = Promise.resolve();

  private constructor(store: Store, rows: OwnRows, placements: readonly StoredPlacement[]) {
    this.#store = store;
    this.#rows = rows;
    this.#placements = new Map(placements.map((placement) => [placement.id, placement]));
  }

  /** `own`: the nodes of this leader. What others have is theirs to keep. */
  static async open(store: Store, rows: OwnRows, own: readonly string[]): Promise<PlacementBook> {
    const byRow = new Map(own.map((node) => [rows.stored(node), node]));
    const kept = (await listPlacements(store.sql)).flatMap((row) => {
      const nodeId = byRow.get(row.nodeId);
      return nodeId === undefined ? [] : [{ ...row, nodeId, id: nodeId + row.id.slice(row.nodeId.length) }];
    });
    return new PlacementBook(store, rows, kept);
  }

  of(node: string): readonly StoredPlacement[] {
    return [...this.#placements.values()].filter(({ nodeId }) => nodeId === node);
  }

  /** For the placement that comes of it. */
  because(node: string, model: string, reason: string): void {
    this.#reasons.set(`${node}/${model}`, reason);
  }

  /**
   * A node that was not heard of keeps what it had. Resolves when the store has it; what it refused is written with the next
   * call for that node.
   */
  async reconcile({ id, standing, state }: NodeEntry): Promise<void> {
    if (standing === "joining" || standing === "lost" || state === null) return;
    const now = this.#store.clock.now();
    const there = new Map(state.replicas.map((replica) => [replica.id, replica]));
    const gone = this.of(id).filter((placement) => !there.has(placement.id));
    const come = [...there.values()].filter((replica) => !this.#placements.has(replica.id));
    // An engine that restarts has no replicas for a moment: what it is going to serve again is not gone.
    const expected = new Set(
      state.engines.filter((engine) => engine.state !== "stopped").flatMap(({ models }) => models),
    );
    const dropped = gone.filter(({ model }) => !expected.has(model));
    const behind = this.#behind.has(id);
    if (dropped.length === 0 && come.length === 0 && !behind) return;
    for (const placement of dropped) this.#placements.delete(placement.id);
    const added = come.map((replica) => this.#placed(id, replica, now));
    for (const placement of added) this.#placements.set(placement.id, placement);
    await this.#write(async () => {
      this.#behind.add(id);
      await this.#store.write(async (tx) => {
        if (behind) await deletePlacementsOf(tx, this.#rows.stored(id));
        for (const placement of dropped) await deletePlacement(tx, this.#toRow(placement).id);
        for (const placement of behind ? this.of(id) : added) await putPlacement(tx, this.#toRow(placement));
      });
      this.#behind.delete(id);
    });
  }

  /** The node was removed; its rows went with it. */
  forget(node: string): void {
    for (const { id } of this.of(node)) this.#placements.delete(id);
  }

  /** Its id begins with its node's. */
  #toRow(placement: StoredPlacement): StoredPlacement {
    const nodeId = this.#rows.stored(placement.nodeId);
    return { ...placement, nodeId, id: nodeId + placement.id.slice(placement.nodeId.length) };
  }

  #placed(nodeId: string, replica: Replica, now: number): StoredPlacement {
    const key = `${nodeId}/${replica.model}`;
    const reason = this.#reasons.get(key) ?? "found there";
    this.#reasons.delete(key);
    const { id, model, engine, engineModel } = replica;
    return { id, model, nodeId, engine, engineModel, state: "serving", reason, createdAt: now, updatedAt: now };
  }

  /** One after the other: an older write must not overtake a newer one. */
  async #write(work: () => Promise<void>): Promise<void> {
    const before = this.#writing;
    const mine = before.catch(() => undefined).then(work);
    this.#writing = mine;
    await mine;
  }
}
