import type { NodeBook } from "../../cluster/registry/node-book.ts";
import type { PlacementBook } from "../../cluster/registry/placement-book.ts";
import type { NodeRegistry } from "../../cluster/registry/node-registry.ts";
import type { NodeLinks } from "../../cluster/transport/node-links.ts";
import type { Log } from "../../telemetry/log.ts";

const SWEEP_MS = 500;
const KEEP_SEEN_MS = 60_000;

export interface NodeWatchParts {
  readonly registry: NodeRegistry;
  readonly link: NodeLinks;
  readonly book: NodeBook;
  readonly placements: Pick<PlacementBook, "reconcile">;
  readonly log: Log;
  /** False: that this node was seen is not to be kept yet. */
  readonly keeps: (node: string) => boolean;
}

export interface NodeWatch {
  /** Takes nodes out that fall silent, and keeps when they were seen, from now on. */
  lead(): void;
  /** No longer. What was seen until now is kept. */
  rest(): Promise<void>;
}

export function nodeWatch({ registry, link, book, placements, log, keeps }: NodeWatchParts): NodeWatch {
  // What runs to a node that nobody hears any more would hang until a limit of its own.
  const sweep = (): void => {
    for (const node of registry.sweep()) link.cut(node);
  };
  const seen = new Map<string, number>();
  const keepSeen = async (): Promise<void> => {
    const news = registry
      .list()
      .flatMap(({ id, lastSeenAt, state }) =>
        lastSeenAt === null || state === null || seen.get(id) === lastSeenAt || !keeps(id)
          ? []
          : [{ id, at: lastSeenAt, inventory: state.inventory }],
      );
    await book.markSeen(news);
    for (const { id, at } of news) seen.set(id, at);
    // The store is there: what it refused before is made up for.
    for (const entry of registry.list()) await placements.reconcile(entry);
  };
  const keep = (): Promise<void> =>
    keepSeen().catch((cause: unknown) => log.warn("when nodes were seen cannot be kept", { cause: String(cause) }));
  const timers: ReturnType<typeof setInterval>[] = [];
  return {
    lead() {
      void keep();
      timers.push(
        setInterval(sweep, SWEEP_MS),
        setInterval(() => void keep(), KEEP_SEEN_MS),
      );
      for (const timer of timers) timer.unref();
    },
    async rest() {
      for (const timer of timers.splice(0)) clearInterval(timer);
      await keep();
    },
  };
}
