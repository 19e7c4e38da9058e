import type { CancelSignal } from "../core/cancellation.ts";
import type { EngineAnswer } from "../core/engine-answer.ts";
import type { Failure } from "../core/failure.ts";
import type { Result } from "../core/result.ts";
import type { NodeKeys } from "./node-credential.ts";

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

/** How a node is reached: `lan` is TLS to the node's own port, `tunnel` goes over connections that the node dialled. */
export type LinkKind = "local" | "lan" | "tunnel";

/** What a byte stream leads to on a node: the port of an engine there, or of a process that was started there. */
export type NodeService = `engine/${string}` | `process/${string}`;

export function isNodeService(text: string): text is NodeService {
  return /^(engine|process)\/./.test(text);
}

/** What another node may be let to by a ticket: those, and the files of a model by its id. */
export type TicketService = NodeService | `file/${string}`;

/** Both directions of a connection. What is not read from `readable` holds the far side back. */
export interface ByteStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/** The way to nodes, the same for this machine and for far ones. */
export interface Link {
  /**
   * Raw HTTP to an engine: any status is a success, the body is not decoded, and it streams. The signal stops the
   * exchange at any time, also in the middle of the body. A POST that a node may have begun is never sent again.
   */
  fetch(
    node: string,
    engineId: string,
    request: LinkRequest,
    signal: CancelSignal,
  ): Promise<Result<EngineAnswer, Failure>>;
  call<Answer>(
    node: string,
    operation: NodeOperation<Answer>,
    signal: AbortSignal,
  ): Promise<Result<Answer, LinkFailure>>;
}

/** A link to every node of the cluster, over whichever way works at the moment. */
export interface ClusterLink extends Link {
  /** Raw bytes to a service of a node, both ways, until either side ends or the signal fires. */
  connect(node: string, service: NodeService, signal: AbortSignal): Promise<Result<ByteStream, LinkFailure>>;
  /** Null: there is no way to it at the moment. */
  kindOf(node: string): LinkKind | null;
}

/** A node that the leader can be linked to, as its record says. */
export interface RemoteNode {
  readonly node: string;
  readonly keys: NodeKeys;
  /** `host:port` of its own node port, the likeliest first; empty: it listens nowhere. */
  readonly addresses: readonly string[];
}

/**
 * What the registry does to the links: it tells of every node that may be reached, at the start and after each change.
 * Calls over a link that was removed, or whose keys changed for others, fail at once.
 */
export interface LinkTable {
  put(node: RemoteNode): void;
  remove(node: string): void;
}
