import { err, ok, type Result } from "../../core/result.ts";
import type { LinkKind, LinkTable } from "../link.ts";
import type { StoredNode } from "../../store/nodes.ts";
import type { NodeCaller, NodeDirectory, NodeHandlers, Registered } from "../node-endpoint.ts";
import type { HeartbeatAnswer, HeartbeatRequest, NodeRefusal } from "../node-protocol.ts";
import { type ProofSubject, refused } from "../registration-proof.ts";
import { revokedNode, unknownNode, unknownState } from "../node-refusal.ts";
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
  /** A node registered that may get a model unasked: look whether it should. */
  readonly joined: (node: string) => void;
  readonly admin: NodeHandlers["admin"];
  readonly log: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** Whose calls are taken: asked for each one, so from memory. */
export function nodeDirectory(book: NodeBook): NodeDirectory {
  return {
    keysOf(node) {
      const known = book.get(node);
      if (book.wasRemoved(node)) return { keys: NO_KEYS, next: null, revoked: true };
      if (known === null || known.keys === null) return null;
      return { keys: known.keys, next: known.nextKeys, revoked: false };
    },
  };
}

/** What the leader does with calls of workers. */
export function nodeHandlers(parts: NodeHandlerParts): NodeHandlers {
  const { book, registry, links, log, now } = parts;
  const admit = (node: StoredNode): Registered => {
    if (node.keys !== null) links.put({ node: node.id, keys: node.keys, addresses: node.addresses });
    registry.admit(node, links.kindOf(node.id));
    if (node.assign) parts.joined(node.id);
    return { subject: subjectOf(node), heartbeatMs: BASE_INTERVAL_MS };
  };
  return {
    async register(request, { peer }) {
      const { node } = await book.register(request, `join token${peer === null ? "" : ` from ${peer}`}`);
      return ok(admit(node));
    },
    async registerAgain(request, proven) {
      const done = await book.registerAgain(request, proven);
      if (!done.ok) {
        log("a node was not registered again", { node: proven.node, name: proven.name, why: done.error });
        return err(done.error === "removed" ? revokedNode(proven.node) : OUTDATED);
      }
      const { node, replaced } = done.value;
      for (const other of replaced) {
        links.remove(other);
        registry.remove(other);
      }
      log("a node was registered again, by the proof that it had", { node: node.id, name: node.name });
      return ok(admit(node));
    },
    heartbeat: (request, from) => heartbeat(parts, request, from),
    async leave({ node }) {
      const left = await book.remove(node, { actor: `node ${node}`, action: "node.leave" });
      links.remove(node);
      registry.remove(node);
      return left.ok ? ok(undefined) : err(unknownNode(node));
    },
    async rotate({ keys }, { node }) {
      await book.keepNextKeys(node, keys);
      const known = book.get(node);
      if (known === null) return err(unknownNode(node));
      return ok({ ...subjectOf(known), linkKey: keys.linkKey, since: now() });
    },
    rotated(node) {
      book.turnKeys(node);
      const known = book.get(node);
      if (known?.keys) links.put({ node, keys: known.keys, addresses: known.addresses });
    },
    skewed(node, why) {
      const what = `its calls are refused: ${why}`;
      // It goes on calling, every few seconds.
      if (
        registry
          .get(node)
          ?.events.slice(-3)
          .some((event) => event.what === what) !== false
      )
        return;
      registry.note(node, what);
      log("a node's calls are refused", { node, why });
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
  const load = new Map<string, number>();
  // A worker's agent calls its node by a name of its own.
  for (const { replica, running, waiting } of request.load)
    load.set(`${node}${replica.slice(replica.indexOf("/"))}`, running + waiting);
  const { state, utilisation, epoch: life, sequence } = request;
  const answer = registry.beat(node, { state, load, utilisation, life, sequence });
  if (known === null) return err(unknownNode(node));
  if (!answer.ok) return err(answer.error === "unknown_state" ? unknownState(node) : unknownNode(node));
  if (await book.moved(node, request)) {
    const moved = book.get(node);
    if (moved?.keys) links.put({ node, keys: moved.keys, addresses: moved.addresses });
  }
  registry.linked(node, links.kindOf(node));
  // Also while there are next keys already: whoever did not use them has not got them, its answer was lost.
  const rotate = now() - known.keysAt > KEYS_MAX_AGE_MS;
  return ok({ heartbeatMs: answer.value.nextMs, drained: known.drainedAt !== null, rotate, url: url() });
}

function subjectOf({ id, name, machine, assign, keys, keysAt }: StoredNode): ProofSubject {
  return { node: id, name, machine, assign, linkKey: keys?.linkKey ?? "", since: keysAt };
}

const NO_KEYS = { linkKey: "", certificate: "" };

const OUTDATED = refused(
  "the leader has a newer credential of this machine: another copy of this data directory joined or was renewed later",
);
