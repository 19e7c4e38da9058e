import type { TestStore } from "../../store/test-store.ts";
import type { RemoteNode } from "../link.ts";
import type { NodeHandlers } from "../node-endpoint.ts";
import type { HeartbeatRequest, RegisterRequest } from "../node-protocol.ts";
import type { ProofSubject } from "../registration-proof.ts";
import { NodeBook } from "./node-book.ts";
import { nodeHandlers } from "./node-handlers.ts";
import { ownRows } from "./own-rows.ts";
import { RemovedNodes } from "./removed-nodes.ts";
import { type RegistryRig, registryRig, stateOf } from "./test-registry.ts";

/** For tests: a worker's calls, and the leader that takes them, over a real store. */
export const KEYS = { linkKey: "LINK-KEY-1", certificate: "c1" };

export function registration(over: Partial<RegisterRequest> = {}): RegisterRequest {
  return {
    protocol: 4,
    machine: "a".repeat(64),
    name: "gpu-tower",
    version: "1",
    keys: KEYS,
    addresses: ["10.0.0.7:8443"],
    inventory: stateOf("x", []).inventory as RegisterRequest["inventory"],
    assign: true,
    ...over,
  };
}

export function heartbeat(over: Partial<HeartbeatRequest> = {}): HeartbeatRequest {
  return {
    protocol: 4,
    epoch: 1,
    sequence: 1,
    version: "1",
    addresses: ["10.0.0.7:8443"],
    state: stateOf("whatever", ["a"]),
    load: [{ replica: "n/embedded/a", running: 1, waiting: 2 }],
    utilisation: { cpu: 0.5, gpu: null },
    ...over,
  };
}

export interface HandlersRig extends RegistryRig {
  readonly book: NodeBook;
  readonly handlers: NodeHandlers;
  readonly linked: Map<string, RemoteNode>;
}

/** As a leader finds it at its start. */
export async function openBook({ store, dir, clock }: TestStore, leader = ""): Promise<NodeBook> {
  const removed = RemovedNodes.open(dir, clock.now());
  if (!removed.ok) throw new Error(removed.error.message);
  return await NodeBook.open(store, removed.value, ownRows(leader));
}

export async function handlersRig(t: TestStore): Promise<HandlersRig> {
  const base = registryRig();
  const linked = new Map<string, RemoteNode>();
  const book = await openBook(t);
  const handlers = nodeHandlers({
    book,
    registry: base.registry,
    links: {
      put: (node) => void linked.set(node.node, node),
      remove: (id) => void linked.delete(id),
      kindOf: (id) => (linked.has(id) ? "lan" : null),
    },
    now: () => t.clock.now(),
    url: () => "http://leader:8080",
    joined: () => undefined,
    admin: async () => new Response(),
    log: () => undefined,
  });
  return { ...base, book, handlers, linked };
}

/** What the leader says of a node that joins. */
export async function joinNode(handlers: NodeHandlers, over: Partial<RegisterRequest> = {}): Promise<ProofSubject> {
  const joined = await handlers.register(registration(over), { peer: "10.0.0.7", token: "once" });
  if (!joined.ok) throw new Error(joined.error.message);
  return joined.value.subject;
}
