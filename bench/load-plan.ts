import type { FormName } from "./stream-forms.ts";

/** What the load driver shall do. Crosses a process border as JSON. Each run ends by count and by time. */
export interface LoadPlan {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly loop: ClosedLoop | OpenLoop;
  readonly maxRequests: number;
  /** No request begins after this; running ones may end. */
  readonly maxMs: number;
  /** How long running ones may take then; what is not whole by that time is lost. */
  readonly graceMs: number;
  /** What makes an answer whole. */
  readonly expect:
    | { readonly kind: "whole" }
    | { readonly kind: "stream"; readonly form: FormName; readonly frames: number };
  /** Every so many requests one is hung up on in the middle; 0: never. */
  readonly abortEvery: number;
}

/** Each connection asks again when its answer is there. */
export interface ClosedLoop {
  readonly kind: "closed";
  readonly connections: number;
  /** The connections begin spread over this time. */
  readonly spreadMs: number;
}

/** Requests begin by the clock, whatever the answers do; latency counts from the moment one was due. */
export interface OpenLoop {
  readonly kind: "open";
  readonly perSecond: number;
  readonly maxConnections: number;
}

export interface LoadResult {
  /** Whole answers. */
  readonly whole: number;
  /** Answers hung up on by plan. */
  readonly aborted: number;
  /** Everything else, by reason. */
  readonly lost: number;
  readonly problems: Readonly<Record<string, number>>;
  readonly elapsedMs: number;
  /** Frames of whole and other answers alike. */
  readonly frames: number;
  readonly latencyMs: Spread;
  /** To the first content; null when nothing was streamed. */
  readonly firstTokenMs: Spread | null;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
}
