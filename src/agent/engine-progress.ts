import type { EngineKind } from "../core/replica.ts";
import type { Endpoint } from "../engine/driver.ts";
import { readProgress } from "../engine/progress.ts";

const TIMEOUT_MS = 5_000;

/** Tells whether an engine did work since it was last asked, in the same life. */
export class EngineProgress {
  readonly #kind: EngineKind;
  #last: { readonly epoch: number; readonly work: number } | null = null;

  constructor(kind: EngineKind) {
    this.#kind = kind;
  }

  /** Null: this kind does not tell, did not in time, or was not asked before. */
  async since(epoch: number, at: Endpoint, signal: AbortSignal): Promise<boolean | null> {
    const work = await readProgress(this.#kind, at, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
    if (work === null) return null;
    const before = this.#last;
    this.#last = { epoch, work };
    return before?.epoch === epoch ? work > before.work : null;
  }
}
