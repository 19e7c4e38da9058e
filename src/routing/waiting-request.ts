import type { CancelSignal } from "../core/cancellation.ts";
import type { Failure } from "../core/failure.ts";
import { err } from "../core/result.ts";
import type { Told } from "./affinity-book.ts";
import type { Waiting } from "./fair-queue.ts";
import type { RouteAsk } from "../core/route-ask.ts";
import type { Picked } from "./router-port.ts";

/** A request in a queue. It is settled once: with a slot, or with why it got none. */
export class WaitingRequest implements Waiting {
  readonly ask: RouteAsk;
  readonly tried: ReadonlySet<string>;
  readonly costTokens: number;
  readonly sinceMs: number;
  /** Of its conversation; read when it is first needed. */
  told: Told | null = null;
  passed = 0;
  #settled: Picked | null = null;
  #resolve: ((picked: Picked) => void) | null = null;
  #cleanUp: (() => void) | null = null;

  constructor(ask: RouteAsk, tried: ReadonlySet<string>, costTokens: number, sinceMs: number) {
    this.ask = ask;
    this.tried = tried;
    this.costTokens = costTokens;
    this.sinceMs = sinceMs;
  }

  get keyId(): string {
    return this.ask.keyId;
  }

  get batch(): boolean {
    return this.ask.batch;
  }

  get settled(): Picked | null {
    return this.#settled;
  }

  settle(picked: Picked): void {
    if (this.#settled !== null) return;
    this.#settled = picked;
    this.#cleanUp?.();
    this.#resolve?.(picked);
  }

  /**
   * Until it is settled. `leave` takes it out of its queue and settles it: at once when the client goes, and when
   * `expire` says so.
   */
  wait(
    signal: CancelSignal,
    expire: (expired: () => void) => () => void,
    leave: (failure: "cancelled" | "expired") => void,
  ): Promise<Picked> {
    const gone = (): void => leave("cancelled");
    const stop = expire(() => leave("expired"));
    signal.addEventListener("abort", gone, { once: true });
    this.#cleanUp = () => {
      stop();
      signal.removeEventListener("abort", gone);
    };
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }
}

export function cancelled(): { readonly ok: false; readonly error: Failure } {
  return err({ kind: "cancelled" });
}
