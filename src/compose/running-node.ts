import type { StartProblem } from "../leader/start-problem.ts";

/** `asked`: somebody wants Flock to stop. `succeeded`: another process answers new requests now. */
export type StopReason = "asked" | "succeeded";

export interface RunningNode {
  /**
   * Resolves when requests can be answered, or when it is clear that none soon will be (then `problem` says why); with
   * the lines for the terminal.
   */
  readonly ready: Promise<ReadyReport>;
  /** Resolves when somebody asked over the control socket to stop, or a successor answers. */
  readonly stopAsked: Promise<StopReason>;
  /** Of a worker: its leader refuses it for good. Resolves only then. */
  readonly ended?: Promise<StartProblem>;
  /**
   * Lets running answers end until `cut` fires, settles the records, stops the engines (not those that a successor has).
   * Safe to call twice.
   */
  stop(cut: AbortSignal): Promise<void>;
}

export interface ReadyReport {
  readonly block: readonly string[];
  readonly problem: string | null;
}
