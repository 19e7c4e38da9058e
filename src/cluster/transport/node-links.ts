import type { Audience } from "../audience.ts";
import type { CancelSignal } from "../../core/cancellation.ts";
import type { EngineAnswer } from "../../core/engine-answer.ts";
import type { Failure } from "../../core/failure.ts";
import { err, type Result } from "../../core/result.ts";
import type {
  ByteStream,
  ClusterLink,
  Link,
  LinkFailure,
  LinkKind,
  LinkRequest,
  LinkTable,
  NodeOperation,
  NodeService,
  RemoteNode,
  TicketService,
} from "../link.ts";
import type { DirectWay } from "../ticket.ts";
import { connectToLocal } from "./local-stream.ts";
import { RemoteLink, type RemoteLinkParts } from "./remote-link.ts";
import type { TunnelPool } from "./tunnel-pool.ts";

export interface NodeLinksParts {
  /** The leader's own node: reached over `local`. */
  readonly localNode: string;
  readonly local: Link;
  /** Port of a service on the leader's own machine; null: there is none. */
  readonly localPort: (service: NodeService) => number | null;
  /** Null while this leader has no port for nodes: then it has no workers either. */
  readonly remote: RemoteLinkParts | null;
}

/** The leader's links to all nodes. */
export class NodeLinks implements ClusterLink, LinkTable {
  readonly #parts: NodeLinksParts;
  readonly #remote = new Map<string, RemoteLink>();

  constructor(parts: NodeLinksParts) {
    this.#parts = parts;
  }

  put(record: RemoteNode): void {
    const known = this.#remote.get(record.node);
    if (known !== undefined) known.update(record);
    else if (this.#parts.remote !== null) this.#remote.set(record.node, new RemoteLink(record, this.#parts.remote));
  }

  remove(node: string): void {
    this.#remote.get(node)?.close();
    this.#remote.delete(node);
  }

  /** Fails everything that is in flight to a node that is taken for dead, so that nobody waits for it any longer. */
  cut(node: string): void {
    this.#remote.get(node)?.cut();
  }

  kindOf(node: string): LinkKind | null {
    if (node === this.#parts.localNode) return "local";
    return this.#remote.get(node)?.kind() ?? null;
  }

  poolOf(node: string): TunnelPool | null {
    return this.#remote.get(node)?.tunnel ?? null;
  }

  /** A worker has said to whom calls to it are made out. */
  heard(node: string, audience: Audience): void {
    this.#remote.get(node)?.heard(audience);
  }

  fetch(
    node: string,
    engineId: string,
    request: LinkRequest,
    signal: CancelSignal,
  ): Promise<Result<EngineAnswer, Failure>> {
    if (node === this.#parts.localNode) return this.#parts.local.fetch(node, engineId, request, signal);
    const link = this.#remote.get(node);
    if (link !== undefined) return link.fetch(engineId, request, signal);
    return Promise.resolve(
      err({ kind: "engine_unreachable", engine: engineId, endpoint: `node ${node}`, start: "flock node ls" }),
    );
  }

  async call<Answer>(
    node: string,
    operation: NodeOperation<Answer>,
    signal: AbortSignal,
  ): Promise<Result<Answer, LinkFailure>> {
    if (node === this.#parts.localNode) return await this.#parts.local.call(node, operation, signal);
    const link = this.#remote.get(node);
    return link === undefined ? err(noSuchNode(node)) : await link.call(operation, signal);
  }

  async connect(node: string, service: NodeService, signal: AbortSignal): Promise<Result<ByteStream, LinkFailure>> {
    if (node === this.#parts.localNode) return await connectToLocal(this.#parts.localPort(service), service, signal);
    const link = this.#remote.get(node);
    return link === undefined ? err(noSuchNode(node)) : await link.connect(service, signal);
  }

  /**
   * How `caller` reaches a service of `node` without us, with a ticket for that alone. `digest`: of a model's files. Null:
   * one of the two is this machine, is not known, or listens nowhere.
   */
  directWay(caller: string, node: string, service: TicketService, digest: string | null): DirectWay | null {
    const from = this.#remote.get(caller);
    return from === undefined ? null : (this.#remote.get(node)?.directFor(from, service, digest) ?? null);
  }

  /** Another leader takes the tunnels over, each at that socket; what runs through ours goes on. */
  release(socketOf: (node: string) => string): void {
    for (const link of this.#remote.values()) link.tunnel.release(socketOf(link.node));
  }

  close(): void {
    for (const link of this.#remote.values()) link.close();
    this.#remote.clear();
  }
}

function noSuchNode(node: string): LinkFailure {
  return { kind: "node_unreachable", message: `there is no node ${node}`, mend: "flock node ls" };
}
