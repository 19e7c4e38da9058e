import type { Failure } from "../core/failure.ts";
import type { Result } from "../core/result.ts";

/** One HTTP exchange with an engine. The link adds where the engine is and its secret. */
export interface LinkRequest {
  readonly method: "GET" | "POST";
  /** With its leading slash, query included. */
  readonly path: string;
  /** Names in lower case. `authorization` is the link's own. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** On a connection of its own, not on one that was used before. */
  readonly fresh?: boolean;
}

/** Something asked of a node's agent, as data; `node-operations.ts` has them. */
export interface NodeOperation<Answer> {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
  /** How long the agent may take. */
  readonly timeoutMs: number;
  /** Null: the answer is not what it should be. */
  readonly read: (answer: unknown) => { readonly value: Answer } | null;
}

export interface LinkFailure {
  readonly kind: "node_unreachable" | "unknown_engine" | "refused" | "cancelled";
  readonly message: string;
  /** The command that helps. */
  readonly mend: string;
}

/** The way to nodes, the same for this machine and for far ones. Byte streams (`connect`) come with the far ones. */
export interface Link {
  /**
   * Raw HTTP to an engine: any status is a success, the body is not decoded, and it streams. The signal stops the
   * exchange at any time, also in the middle of the body. A POST is never sent twice.
   */
  fetch(node: string, engineId: string, request: LinkRequest, signal: AbortSignal): Promise<Result<Response, Failure>>;
  call<Answer>(
    node: string,
    operation: NodeOperation<Answer>,
    signal: AbortSignal,
  ): Promise<Result<Answer, LinkFailure>>;
}
