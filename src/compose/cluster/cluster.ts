import { hostname } from "node:os";
import { Arrivals, neverSeen } from "../../cluster/registry/arrivals.ts";
import { NodeBook } from "../../cluster/registry/node-book.ts";
import { isNodeState } from "../../cluster/node-state-line.ts";
import { remembered, UNKNOWN_UTILISATION } from "../../cluster/registry/node-entry.ts";
import { NodeRegistry } from "../../cluster/registry/node-registry.ts";
import { inventoryOf } from "../../cluster/registry/node-views.ts";
import { followNodes } from "../../cluster/registry/follow-nodes.ts";
import { nodeDirectory, nodeHandlers } from "../../cluster/registry/node-handlers.ts";
import { RemovedNodes } from "../../cluster/registry/removed-nodes.ts";
import { ownRows } from "../../cluster/registry/own-rows.ts";
import { PlacementBook } from "../../cluster/registry/placement-book.ts";
import type { NodeLinks } from "../../cluster/transport/node-links.ts";
import { composePlacing } from "./placing.ts";
import { composeLinks, type Links, type LinksParts } from "./links.ts";
import { nodeWatch } from "./node-watch.ts";
import { unfinishedDrains } from "./unfinished-drains.ts";
import { systemClock } from "../../core/clock.ts";
import type { NodeState } from "../../core/node.ts";
import type { EngineKind } from "../../core/replica.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { JobKind } from "../../jobs/job-kind.ts";
import type { ModelDirectory } from "../../routing/model-directory.ts";
import type { BoardState } from "../../routing/replica-board.ts";
import type { Router } from "../../routing/router.ts";
import type { StartProblem } from "../../leader/start-problem.ts";

const LINK_GRACE_MS = 1_000;

export interface ClusterParts extends Omit<LinksParts, "linkChanged"> {
  /** This one among several on the database; "": there is one. */
  readonly leader: string;
  readonly router: Router;
  readonly models: ModelDirectory;
  readonly board: () => BoardState;
  readonly bundledCatalog: string;
  /** Leaders before this one that may still give answers. */
  readonly earlier: readonly number[];
}

/** What becomes of what workers bring. */
export interface ForWorkers {
  /** A node has come that serves nothing yet. */
  readonly assign: (node: string) => Promise<void>;
  /** A command that was typed on a worker. */
  readonly admin: (request: Request, node: string) => Promise<Response>;
}

/** The leader's nodes: who is there, what they have, and the way to them. */
export interface Cluster {
  readonly registry: NodeRegistry;
  readonly book: NodeBook;
  readonly placements: PlacementBook;
  readonly link: NodeLinks;
  /** Lets workers in from now on. */
  readonly open: (answers: ForWorkers) => Result<void, StartProblem>;
  /** Makes a join token, with the line to be typed on another machine. */
  readonly invite: Links["invite"];
  readonly jobs: readonly JobKind[];
  /** The leader's own agent told its state. */
  readonly local: (state: NodeState) => void;
  /** The node was removed: calls over its link fail from now on. */
  unlink(node: string): void;
  /** Takes nodes out that fall silent, and keeps when they were seen: one leader at a time does. */
  lead(): void;
  /** No longer; what is known stays. */
  rest(): Promise<void>;
  /** After `rest`: the successor, a process of this number, serves; workers shall go to it. */
  release(successor: number): void;
  /** What a successor should know of the workers that are there. */
  workers(): { node: string; life: number; state: NodeState }[];
  /** What the leader before knew of them. */
  adopt(workers: readonly { readonly node: string; readonly life: number; readonly state: unknown }[]): void;
  close(): Promise<void>;
}

export async function composeCluster(parts: ClusterParts): Promise<Result<Cluster, StartProblem>> {
  const { store, log, models, localNode } = parts;
  const composed = composeLinks({ ...parts, linkChanged: (node) => linkChanged(node) });
  if (!composed.ok) return composed;
  const { links: link, invite } = composed.value;
  const removed = RemovedNodes.open(parts.config.data_dir, systemClock.now());
  if (!removed.ok) return err({ kind: "store", ...removed.error });
  const rows = ownRows(parts.leader);
  const book = await NodeBook.open(store, removed.value, rows);
  const own = await book.ensureLocal(localNode, hostname(), parts.version);
  const ofThisLeader = book.list().filter((node) => book.isOwn(node));
  const placements = await PlacementBook.open(
    store,
    rows,
    ofThisLeader.map(({ id }) => id),
  );
  const registry = new NodeRegistry({
    clock: systemClock,
    log: (message, fields) => log.info(message, fields),
    publish(node, state) {
      if (state === null) models.remove(node);
      else models.update(state);
    },
  });
  registry.onChange((node) => {
    const entry = registry.get(node);
    if (entry === null) return placements.forget(node);
    placements.reconcile(entry).catch((cause: unknown) => {
      log.warn("placements cannot be kept", { node, cause: cause instanceof Error ? cause.message : String(cause) });
    });
  });
  const unfinished = await unfinishedDrains(store.sql, parts.leader, ofThisLeader);
  for (const node of ofThisLeader) {
    const inventory = inventoryOf(node);
    const had = placements.of(node.id).map(({ model, engine }) => ({ model, engine: engine as EngineKind }));
    if (node.keys !== null) link.put({ node: node.id, keys: node.keys, addresses: node.addresses });
    const before = inventory === null ? null : remembered(node, inventory, had);
    // A request that comes before the agent has told anything waits for what it served, rather than hear of no such model.
    const held = new Set(unfinished.has(node.id) ? had.map(({ model }) => model) : []);
    if (node.role === "worker") registry.admit(node, link.kindOf(node.id), before, held);
    else if (before !== null) registry.local(node, before, held);
  }

  let released = false;
  const linkChanged = (node: string): void => {
    // What closes then closes because workers go over to the successor.
    if (released) return;
    const kind = link.kindOf(node);
    registry.linked(node, kind);
    if (kind !== null) return;
    // A moment for a connection that is just made anew; who is still away then is not waited for.
    setTimeout(() => {
      if (link.kindOf(node) === null) registry.lost(node, "its connections were closed");
    }, LINK_GRACE_MS).unref();
  };
  const placing = composePlacing({ ...parts, book, registry, placements, link, board: parts.board });
  book.onChange(followNodes({ registry, link }));
  const arrivals = new Arrivals(
    { registry, wants: (node) => placing.wants(node), log: (message, fields) => log.warn(message, fields) },
    neverSeen(ofThisLeader),
  );
  const watch = nodeWatch({ registry, link, book, placements, log, keeps: (node) => !arrivals.has(node) });
  const rest = async (): Promise<void> => {
    placing.rest();
    await watch.rest();
  };
  return ok({
    registry,
    book,
    placements,
    link,
    open({ assign, admin }) {
      arrivals.begin(assign);
      const handlers = nodeHandlers({
        book,
        registry,
        links: link,
        now: () => systemClock.now(),
        url: () => composed.value.clientUrl(),
        joined: (node) => arrivals.add(node),
        log: (message, fields) => log.warn(message, fields),
        admin: async (request, { node }) => (await placing.serveFile(request)) ?? (await admin(request, node)),
      });
      return composed.value.open(handlers, nodeDirectory(book));
    },
    jobs: placing.jobs,
    local: (state) => registry.local(own, state),
    invite,
    unlink: (node) => link.remove(node),
    lead() {
      composed.value.listenAgain();
      watch.lead();
    },
    async rest() {
      composed.value.quiet();
      await rest();
    },
    release(successor) {
      released = true;
      composed.value.release(successor);
    },
    workers: () =>
      registry
        .list()
        .flatMap(({ id, link: kind, life, state, standing }) =>
          kind === "local" || state === null || standing === "lost" || standing === "joining"
            ? []
            : [{ node: id, life, state }],
        ),
    adopt(workers) {
      for (const { node, life, state } of workers) {
        if (!isNodeState(state)) continue;
        registry.beat(node, { state, load: new Map(), utilisation: UNKNOWN_UTILISATION, life, sequence: 0 });
      }
    },
    async close() {
      await composed.value.close();
      await rest();
    },
  });
}
