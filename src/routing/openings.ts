import type { RouteAsk } from "../core/route-ask.ts";
import { KeyActivity } from "./key-activity.ts";
import { misfits } from "./misfits.ts";
import type { ReplicaBoard } from "./replica-board.ts";
import type { ReplicaLoad } from "./replica-load.ts";

/** The replicas of one model; `mixed`: they differ in what they can do. */
interface Places {
  readonly loads: readonly ReplicaLoad[];
  readonly mixed: boolean;
}

/** Which replicas may take a request now. One key never holds the last free slot while others may come. */
export class Openings {
  readonly #board: ReplicaBoard;
  readonly #severalKeys: () => boolean;
  readonly #activity = new KeyActivity();

  /** `severalKeys`: may another key than the one that asks come at any time? */
  constructor(board: ReplicaBoard, severalKeys: () => boolean) {
    this.#board = board;
    this.#severalKeys = severalKeys;
  }

  /** A request of this key came. */
  saw(keyId: string, nowMs: number): void {
    this.#activity.saw(keyId, nowMs);
  }

  /** The replicas that may take the request now. */
  of(desk: Places, ask: RouteAsk, tried: ReadonlySet<string>, nowMs: number): ReplicaLoad[] {
    const free = desk.loads.filter((load) => this.refusal(load, ask, tried, nowMs) === null);
    if (!desk.mixed || free.length === 0) return free;
    const misfit = misfits(desk.loads, ask);
    return free.filter((load) => misfit(load) === null);
  }

  /** Why the replica cannot take the request now; null: it can. */
  refusal(load: ReplicaLoad, ask: RouteAsk, tried: ReadonlySet<string>, nowMs: number): string | null {
    const { replica, freeSlots } = load;
    if (tried.size > 0 && tried.has(replica.id)) return "it failed this request";
    if (this.#board.shutMs(replica.id, nowMs) > 0) return "it failed lately";
    if (freeSlots <= 0) return "no free slot";
    if (freeSlots > 1 || replica.slots === 1 || load.heldBy(ask.keyId) === 0) return null;
    return this.#othersMayCome(ask.keyId, replica.slots, nowMs) ? "its last free slot is kept for other keys" : null;
  }

  /** With two slots keeping one costs half of the replica: only while others are really there. */
  #othersMayCome(keyId: string, slots: number, nowMs: number): boolean {
    return this.#activity.others(keyId, nowMs) || (slots > 2 && this.#severalKeys());
  }

  /** How long all replicas that are left to the request are shut, at the least; infinite: none is left. */
  shutMs(desk: Places, tried: ReadonlySet<string>, nowMs: number): number {
    let soonest = Number.POSITIVE_INFINITY;
    for (const { replica } of desk.loads) {
      if (!tried.has(replica.id)) soonest = Math.min(soonest, this.#board.shutMs(replica.id, nowMs));
    }
    return soonest;
  }
}
