import type { StoreAddress, StoreProblem } from "./store.ts";

export interface SettleTask {
  /** May hold a password: it goes from thread to thread in memory only. */
  readonly address: StoreAddress;
  /** The journal's directory. */
  readonly dir: string;
}

/** A ticket comes back in the answer; 0 is the worker's own round, which nobody waits for. */
export type ToSettleWorker =
  | { readonly start: SettleTask }
  | { readonly poke: true; readonly ticket: number }
  | { readonly rebuildDay: number; readonly ticket: number }
  | { readonly stop: true };

export type FromSettleWorker =
  | { readonly settled: number; readonly ticket: number }
  | { readonly failed: StoreProblem; readonly ticket: number }
  /** True: all that was there is in the store. */
  | { readonly stopped: boolean }
  | {
      readonly log: {
        readonly level: "info" | "warn" | "error";
        readonly message: string;
        readonly fields: Readonly<Record<string, unknown>>;
      };
    };
