export interface SettleTask {
  /** The database file. */
  readonly path: string;
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
  | { readonly failed: string; readonly ticket: number }
  | { readonly stopped: true }
  | {
      readonly log: {
        readonly level: "info" | "warn" | "error";
        readonly message: string;
        readonly fields: Readonly<Record<string, unknown>>;
      };
    };
