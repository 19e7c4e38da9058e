import type { Cluster } from "../cluster/cluster.ts";
import { DRAIN_JOB } from "../cluster/placing.ts";
import { modelMover } from "./move-model.ts";
import { ownModelLoader } from "../cluster/undrain.ts";
import { engineLogs, machineLoad } from "../../cluster/node-operations.ts";
import { onlyThere } from "../../cluster/registry/drain-node.ts";
import { viewOf } from "../../cluster/registry/node-views.ts";
import type { NodeProblem } from "../../cluster/registry/known-nodes.ts";
import type { Principal } from "../../core/principal.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { AdminNodes, NodeView } from "../../http/admin/node-view.ts";
import type { JobRunner } from "../../jobs/job-runner.ts";
import type { Router } from "../../routing/router.ts";
import { audited } from "../../store/audited.ts";
import type { Job } from "../../store/jobs.ts";
import type { StoredNode } from "../../store/nodes.ts";
import type { Store, Tx } from "../../store/store.ts";
import { recentUsage } from "../../store/usage.ts";

export interface AdminNodesParts {
  readonly cluster: Cluster;
  readonly router: Router;
  readonly jobs: JobRunner;
  readonly store: Store;
  /** Resolves when what was answered a moment ago is in the store, or does not come. */
  readonly settled: () => Promise<unknown>;
}

const ASK_MS = 3_000;
const LOG_LINES = 20;
const REQUESTS = 10;

/** What the admin API asks of the cluster. */
export function adminNodes({ cluster, router, jobs, store, settled }: AdminNodesParts): AdminNodes {
  const { registry, book, link } = cluster;
  const view = (stored: StoredNode): NodeView => {
    const entry = registry.get(stored.id);
    return viewOf(stored, entry, entry?.link ?? null, (replica) => router.busy(replica), book.isOwn(stored));
  };
  const changed = (
    result: Result<StoredNode, NodeProblem>,
    done: (node: StoredNode) => void,
  ): Result<NodeView, NodeProblem> => {
    if (!result.ok) return result;
    done(result.value);
    return ok(view(result.value));
  };
  const loadOwn = ownModelLoader(cluster, jobs);
  return {
    async invite(actor) {
      const invited = await cluster.invite();
      if (!invited.ok) return err({ kind: "conflict", ...invited.error });
      const { id, expiresAt } = invited.value;
      await audited(store, { actor: nameOf(actor), action: "node.invite" }, async () =>
        ok({ target: id, before: null, after: { expiresAt }, value: null }),
      );
      return invited;
    },
    async list() {
      // While the database is away what was known last is shown.
      await book.refresh().catch(() => undefined);
      // As the registry has them: the leader's own first. Then those of other leaders.
      const own = registry.list().flatMap(({ id }) => {
        const stored = book.get(id);
        return stored === null ? [] : [view(stored)];
      });
      return [...own, ...book.list().flatMap((stored) => (book.isOwn(stored) ? [] : [view(stored)]))];
    },
    async show(id) {
      const stored = book.get(id);
      if (stored === null || stored.removedAt !== null) return err(noNode(id));
      const entry = registry.get(id);
      const engines = entry?.state?.engines ?? [];
      const limit = AbortSignal.timeout(ASK_MS);
      const reachable = entry !== null && entry.standing !== "lost" && entry.standing !== "joining";
      await settled();
      const [load, requests, ...logs] = await Promise.all([
        reachable ? link.call(id, machineLoad(), limit) : null,
        recentUsage(store.sql, { limit: REQUESTS, node: id }),
        ...(reachable ? engines : []).map(async (engine) => {
          const log = await link.call(id, engineLogs(engine.id, LOG_LINES), limit);
          return { engine: engine.id, lines: log.ok ? log.value.lines : [] };
        }),
      ]);
      const problems = engines.flatMap(({ id: engine, problem }) =>
        problem === null ? [] : [{ at: entry?.lastSeenAt ?? 0, what: `engine ${engine}: ${problem}` }],
      );
      return ok({
        node: view(stored),
        events: [...(entry?.events ?? []), ...problems],
        logs: logs.filter(({ lines }) => lines.length > 0),
        requests,
        load: load?.ok === true ? load.value : null,
      });
    },
    async drain(id, actor) {
      const held = new Set(onlyThere(registry, id));
      // A node that is to be drained and has no job would serve its models to nobody. Only its own leader knows what runs there.
      const queued: Job[] = [];
      const queue = async (tx: Tx, { leader }: StoredNode): Promise<void> => {
        queued.push(await jobs.enqueueWith(tx, DRAIN_JOB, { node: id }, nameOf(actor), leader));
      };
      const drained = changed(await book.drain(id, nameOf(actor), queue), ({ drainedAt }) => {
        if (registry.get(id)?.standing !== "drained") registry.startDrain(id, held, drainedAt ?? 0);
      });
      if (!drained.ok) return drained;
      jobs.look();
      const [job] = queued;
      if (job === undefined) throw new Error("a drain without a job");
      return ok({ node: drained.value, job });
    },
    moveModel: modelMover({ cluster, jobs, store }),
    async undrain(id, actor) {
      const drainedAt = book.get(id)?.drainedAt ?? null;
      const back = changed(await book.undrain(id, nameOf(actor)), () => registry.undrain(id));
      if (back.ok && drainedAt !== null) await loadOwn(id, drainedAt);
      return back;
    },
    async remove(id, actor) {
      const stored = book.get(id);
      const before = stored === null ? null : view(stored);
      const removed = await book.remove(id, { actor: nameOf(actor), action: "node.remove" });
      if (!removed.ok) return removed;
      registry.remove(id);
      cluster.unlink(id);
      return ok(before ?? view(removed.value));
    },
  };
}

function nameOf(actor: Principal): string {
  return actor.keyName;
}

function noNode(id: string): NodeProblem {
  return { kind: "not_found", what: `node ${id}`, mend: "flock node ls" };
}
