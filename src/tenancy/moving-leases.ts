import type { Allowance, LeaseSource } from "./lease-source.ts";
import type { LocalLeases } from "./local-leases.ts";
import type { StoreLeases } from "./store-leases.ts";

const LOOK_MS = 1000;

export interface MovingParts {
  /** In memory, starting from what the store has. */
  local(used: ReadonlyMap<string, number>): LocalLeases;
  shared(): StoreLeases;
  readonly isGone: (home: string) => boolean;
  /** Tokens of today by key, from the store. */
  used(): Promise<ReadonlyMap<string, number>>;
  /** See `StoreLeasesOptions.settled`. */
  settled(): Promise<boolean>;
}

/**
 * Limits of one data directory: in memory while one process serves it, and through the database while two do, at a
 * restart without a pause. What was given out before goes on counting, whichever way it moves.
 */
export class MovingLeases implements LeaseSource {
  readonly #parts: MovingParts;
  #local: LocalLeases | null = null;
  #shared: StoreLeases | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  #looking: Promise<void> | null = null;
  /** A successor is coming: it stays shared. */
  #handedOver = false;

  constructor(parts: MovingParts) {
    this.#parts = parts;
  }

  /** Usage of earlier processes must be in the store. */
  async start(): Promise<void> {
    const shared = this.#parts.shared();
    await shared.start(this.#parts.isGone);
    if (await shared.hasOthers()) {
      this.#share(shared);
      return;
    }
    await shared.stop();
    this.#local = this.#parts.local(await this.#parts.used());
  }

  tokensOfDay(keyId: string): Allowance {
    return this.#source.tokensOfDay(keyId);
  }

  slots(keyId: string): Allowance {
    return this.#source.slots(keyId);
  }

  /** A key that had no quota was not counted in memory. */
  startFrom(keyId: string, usedTokens: number): void {
    this.#local?.startFrom(keyId, usedTokens);
  }

  /** Before another process begins to serve this data directory. Once it resolves, that one sees what is given out here. */
  async handOver(): Promise<void> {
    this.#handedOver = true;
    await this.#looking;
    const local = this.#local;
    if (local === null) return;
    const shared = this.#parts.shared();
    await shared.start(this.#parts.isGone);
    const used = await this.#parts.used();
    // In one step: from the next request on the database decides.
    local.moveTo(shared, used);
    this.#local = null;
    this.#share(shared);
    await shared.desk.ask("", () => Promise.resolve());
  }

  /** The other process will not come. */
  takeBack(): void {
    this.#handedOver = false;
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#looking;
    await this.#shared?.stop();
  }

  get #source(): LeaseSource {
    const source = this.#local ?? this.#shared;
    if (source === null) throw new Error("limits were asked for before they were opened");
    return source;
  }

  #share(shared: StoreLeases): void {
    this.#shared = shared;
    this.#timer ??= setInterval(() => {
      this.#looking ??= this.#comeBack()
        .catch(() => undefined)
        .finally(() => {
          this.#looking = null;
        });
    }, LOOK_MS);
  }

  /** Into memory again, once nobody else is left. */
  async #comeBack(): Promise<void> {
    const shared = this.#shared;
    if (shared === null || this.#handedOver || (await shared.hasOthers())) return;
    await shared.rest();
    const spent = shared.spent();
    const used = (await this.#parts.settled()) ? await this.#parts.used() : null;
    if (used === null || this.#handedOver || !shared.quiet) {
      shared.goOn();
      return;
    }
    const local = this.#parts.local(used);
    shared.moveTo(local, spent);
    this.#local = local;
    this.#shared = null;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await shared.stop();
  }
}
