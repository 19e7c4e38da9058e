import type { Replica } from "../core/replica.ts";
import { ReplicaLoad } from "./replica-load.ts";

/** A replica that is gone may come back and remembers then; not more of them than this. */
const MOST_REPLICAS = 4096;

/** What runs where. `forget`: what a replica knew of conversations is gone. */
export class ReplicaLoads {
  readonly #byId = new Map<string, ReplicaLoad>();
  readonly #forget: (replicaId: string) => void;

  constructor(forget: (replicaId: string) => void) {
    this.#forget = forget;
  }

  get(replicaId: string): ReplicaLoad | undefined {
    return this.#byId.get(replicaId);
  }

  get inFlight(): number {
    let total = 0;
    for (const load of this.#byId.values()) total += load.inFlight;
    return total;
  }

  /** What runs in an engine's earlier life takes no slot of this one, and what that knew is gone. */
  of(replica: Replica, epoch: number): ReplicaLoad {
    let load = this.#byId.get(replica.id);
    if (load === undefined || load.epoch !== epoch) {
      if (load !== undefined) this.#forget(replica.id);
      load = new ReplicaLoad(replica, epoch);
      this.#byId.set(replica.id, load);
    }
    load.replica = replica;
    return load;
  }

  prune(live: readonly Replica[]): void {
    if (this.#byId.size <= MOST_REPLICAS) return;
    const ids = new Set(live.map(({ id }) => id));
    for (const [id, load] of this.#byId) {
      if (ids.has(id) || load.inFlight > 0) continue;
      this.#byId.delete(id);
      this.#forget(id);
    }
  }
}
