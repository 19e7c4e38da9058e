import { FairQueue, type Waiting } from "./fair-queue.ts";
import type { ReplicaLoad } from "./replica-load.ts";

/** How much of each new observation goes into a running mean. */
const NEWEST = 0.1;
const FIRST_GUESS_OUTPUT_TOKENS = 256;
const FIRST_GUESS_SERVICE_MS = 5_000;

/** All that is kept for one model: its replicas, who waits for them, and how fast they are. */
export class ModelDesk<T extends Waiting> {
  readonly model: string;
  readonly queue = new FairQueue<T>();
  loads: readonly ReplicaLoad[] = [];
  /** Whether replicas differ in what they can take. */
  mixed = false;
  #serviceMs = 0;
  #outputTokens = FIRST_GUESS_OUTPUT_TOKENS;

  constructor(model: string) {
    this.model = model;
  }

  setLoads(loads: readonly ReplicaLoad[]): void {
    this.loads = loads;
    const [first] = loads;
    this.mixed = loads.some(
      ({ replica }) =>
        replica.contextTokens !== first?.replica.contextTokens ||
        replica.abilities.images !== first.replica.abilities.images,
    );
  }

  get hasFreeSlot(): boolean {
    for (const load of this.loads) if (load.freeSlots > 0) return true;
    return false;
  }

  /** What answers of this model come to, or the client's limit where that is less. */
  expectedOutputTokens(limit: number | null): number {
    return limit === null ? this.#outputTokens : Math.min(limit, this.#outputTokens);
  }

  served(serviceMs: number, outputTokens: number): void {
    this.#serviceMs = this.#serviceMs === 0 ? serviceMs : this.#serviceMs + NEWEST * (serviceMs - this.#serviceMs);
    this.#outputTokens += NEWEST * (outputTokens - this.#outputTokens);
  }

  /** How long until `ahead` requests have been served, at the rate that was measured. */
  drainMs(ahead: number): number {
    let slots = 0;
    for (const { replica } of this.loads) slots += replica.slots;
    const serviceMs = this.#serviceMs === 0 ? FIRST_GUESS_SERVICE_MS : this.#serviceMs;
    return (ahead * serviceMs) / Math.max(1, slots);
  }
}
