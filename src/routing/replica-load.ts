import type { Replica } from "../core/replica.ts";
import type { Candidate } from "./choose-replica.ts";

/** What runs on one replica now, in one life of its engine. */
export class ReplicaLoad implements Candidate {
  replica: Replica;
  readonly epoch: number;
  inFlight = 0;
  outstandingTokens = 0;
  readonly #slotsByKey = new Map<string, number>();

  constructor(replica: Replica, epoch: number) {
    this.replica = replica;
    this.epoch = epoch;
  }

  get freeSlots(): number {
    return this.replica.slots - this.inFlight;
  }

  /** Slots that the key holds here. */
  heldBy(keyId: string): number {
    return this.#slotsByKey.get(keyId) ?? 0;
  }

  begin(keyId: string, tokens: number): void {
    this.inFlight += 1;
    this.outstandingTokens += tokens;
    this.#slotsByKey.set(keyId, this.heldBy(keyId) + 1);
  }

  /** Some of the work is done. */
  done(tokens: number): void {
    this.outstandingTokens = Math.max(0, this.outstandingTokens - tokens);
  }

  end(keyId: string, tokens: number): void {
    this.inFlight -= 1;
    this.done(tokens);
    const left = this.heldBy(keyId) - 1;
    if (left > 0) this.#slotsByKey.set(keyId, left);
    else this.#slotsByKey.delete(keyId);
  }
}
