import type { Failure } from "../core/failure.ts";
import type { GatewayDeps } from "./ports.ts";

/** `client`: it hung up. `stall`: the engine went quiet. `cut`: the answer may not grow. */
export type StopCause = "client" | "stall" | "cut";

/** Why an answer's call was aborted before its end: an aborted call fails like a broken one. The first cause counts. */
export class EarlyEnd {
  readonly #limits: GatewayDeps["limits"];
  #cause: StopCause | null = null;
  /** The replica was given up for this. */
  lost: Failure | null = null;

  constructor(limits: GatewayDeps["limits"]) {
    this.#limits = limits;
  }

  get stopped(): boolean {
    return this.#cause !== null;
  }

  stop(cause: StopCause): void {
    this.#cause ??= cause;
  }

  /** What to say instead of how the call failed. */
  explain(failure: Failure, engine: string): Failure {
    if (this.lost !== null && this.#cause === null) return this.lost;
    if (this.#cause === "client") return { kind: "cancelled" };
    if (this.#cause === "stall") return { kind: "engine_timeout", engine, waitedMs: this.#limits.stallMs };
    return failure;
  }
}
