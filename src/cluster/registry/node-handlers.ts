import { err, ok, type Result } from "../../core/result.ts";
import type { LinkKind, LinkTable } from "../link.ts";
import type { NodeCaller, NodeDirectory, NodeHandlers } from "../node-endpoint.ts";
import type { HeartbeatAnswer, HeartbeatRequest, NodeRefusal } from "../node-protocol.ts";
import { BASE_INTERVAL_MS } from "./heartbeat-schedule.ts";
import type { NodeBook } from "./node-book.ts";
import type { NodeRegistry } from "./node-registry.ts";

/** Keys older than this are to be replaced; the worker does it with its next heartbeats. */
const KEYS_MAX_AGE_MS = 30 * 86_400_000;

export interface NodeHandlerParts {
  readonly book: NodeBook;
  readonly registry: NodeRegistry;
  readonly links: LinkTable & { kindOf(node: string): LinkKind | null };
  readonly now: () => number;
  /** Where clients reach the leader. */
  readonly url: () => string;
  /** A node registered: look whether it should get a model. */
  readonly joined: (node: string) => void;
  readonly admin: NodeHandlers["admin"];
}

/** Whose calls are taken: asked for each one, so from memory. */
export function nodeDirectory(book: NodeBook): NodeDirectory {
  return {
    keysOf(node) {
      const known = book.get(node);
      if (known === null || known.keys === null) return null;
      return { keys: known.keys, next: known.nextKeys, revoked: known.removedAt !== null };
    },
  };
}

/** What the leader does with calls of workers. */
export function nodeHandlers(parts: NodeHandlerParts): NodeHandlers {
  const { book, registry, links } = parts;
  return {
    async register(request, { peer }) {
      const { node } = await book.register(request, `join token${peer === null ? "" : ` from ${peer}`}`);
      if (node.keys !== null) links.put({ node: node.id, keys: node.keys, addresses: node.addresses });
      registry.admit(node, links.kindOf(node.id) ?? "lan");
      parts.joined(node.id);
      return ok({ node: node.id, heartbeatMs: BASE_INTERVAL_MS });
    },
    heartbeat: (request, from) => heartbeat(parts, request, from),
    async leave({ node }) {
      const left = await book.remove(node, { actor: `node ${node}`, action: "node.leave" });
      links.remove(node);
      registry.remove(node);
      return left.ok ? ok(undefined) : err(unknown(node));
    },
    async rotate({ keys }, { node }) {
      await book.keepNextKeys(node, keys);
      return ok(undefined);
    },
    rotated(node) {
      book.turnKeys(node);
      const known = book.get(node);
      if (known?.keys) links.put({ node, keys: known.keys, addresses: known.addresses });
    },
    admin: parts.admin,
  };
}

async function heartbeat(
  { book, registry, links, now, url }: NodeHandlerParts,
  request: HeartbeatRequest,
  { node }: NodeCaller,
): Promise<Result<Omit<HeartbeatAnswer, "addresses">, NodeRefusal>> {
  const known = book.get(node);
  const load = Object.fromEntries(
    // A worker's agent calls its node by a name of its own.
    request.load.map(({ replica, running, waiting }) => [replica.replace(/^[^/]+/, node), running + waiting]),
  );
  const answer = registry.beat(node, {
    state: request.state,
    load,
    utilisation: request.utilisation,
    life: request.epoch,
  });
  if (answer === null || known === null) return err(unknown(node));
  if (await book.moved(node, request)) {
    const moved = book.get(node);
    if (moved?.keys) links.put({ node, keys: moved.keys, addresses: moved.addresses });
  }
  const kind = links.kindOf(node);
  if (kind !== null) registry.linked(node, kind);
  const rotate = known.nextKeys === null && now() - known.keysAt > KEYS_MAX_AGE_MS;
  return ok({ heartbeatMs: answer.nextMs, drained: known.drainedAt !== null, rotate, url: url() });
}

function unknown(node: string): NodeRefusal {
  return {
    code: "unknown_node",
    message: `the leader has no record of node ${node}`,
    mend: "flock token create --node   # on the leader; then flock join again",
  };
}
