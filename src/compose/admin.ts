import { adminNodes } from "./nodes.ts";
import type { Cluster } from "./cluster.ts";
import { adapterAdmin } from "./adapters.ts";
import { engineVersionAdmin } from "./engine-versions.ts";
import { engineAdmin } from "./engines.ts";
import type { Catalog } from "../catalog/open-catalog.ts";
import type { Followed } from "./follow.ts";
import { routeAdmin } from "./route.ts";
import { modelNameAdmin } from "./model-names.ts";
import type { LoadedConfig } from "../config/load.ts";
import { describeConfig } from "../config/describe.ts";
import type { Clock } from "../core/clock.ts";
import { newRequestId } from "../core/id.ts";
import type { NodeState } from "../core/node.ts";
import type { Principal } from "../core/principal.ts";
import { type QuotaStart, tokenAdmin } from "./tokens.ts";
import { ANONYMOUS } from "../core/principal.ts";
import { ok } from "../core/result.ts";
import type { AdminDeps } from "../http/admin/deps.ts";
import type { Hint } from "../leader/hints.ts";
import type { JobRunner } from "../jobs/job-runner.ts";
import type { ModelDirectory } from "../routing/model-directory.ts";
import type { ReplicaBoard } from "../routing/replica-board.ts";
import type { Detours } from "../routing/detours.ts";
import type { Router } from "../routing/router.ts";
import { recentAudit } from "../store/audit.ts";
import type { Settler } from "../store/settler.ts";
import { storeProblemOf } from "../store/store-problem.ts";
import type { Store } from "../store/store.ts";
import { recentUsage } from "../store/usage.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { UsageJournal } from "../telemetry/usage-journal.ts";
import type { KeyRing } from "../tenancy/key-ring.ts";

export interface AdminParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** As it was at the start, without what is stored. */
  readonly config: LoadedConfig;
  readonly followed: Followed;
  readonly quotas: QuotaStart;
  readonly store: Store;
  readonly ring: KeyRing;
  readonly journal: UsageJournal;
  readonly settler: Settler;
  readonly jobs: JobRunner;
  readonly board: ReplicaBoard;
  readonly router: Router;
  readonly detours: Detours;
  readonly models: ModelDirectory;
  readonly catalog: Catalog;
  readonly metrics: Metrics;
  readonly startedAt: number;
  /** Known once the server listens. */
  readonly url: () => string;
  readonly node: () => NodeState | null;
  readonly hints: () => readonly Hint[];
  readonly cluster: Cluster;
}

/** Fits the parts to what the admin API declares that it needs. */
export function adminDeps(parts: AdminParts): AdminDeps {
  const { store, ring, jobs, board, models } = parts;
  const { values } = parts.config;
  const actorOf = (principal: Principal): string => principal.keyName;
  return {
    clock: parts.clock,
    newRequestId: () => newRequestId(),
    explain(cause) {
      const problem = storeProblemOf(cause, store.address);
      // `failed` is what nobody has thought of: a statement that is wrong, say.
      if (problem === null || problem.kind === "failed") return null;
      return { kind: "store_unavailable", message: problem.message, mend: problem.mend };
    },
    reportBug: (request, cause) => parts.log.error("internal error", { request, cause }),
    authenticate: (secret) => (values.auth.require_keys ? ring.find(secret ?? "") : ok(ANONYMOUS)),
    version: parts.version,
    externalUrl: values.external_url,
    tokens: tokenAdmin({ store, ring, settler: parts.settler, followed: parts.followed, quotas: parts.quotas }),
    ...modelNameAdmin({ store, models, catalog: parts.catalog, config: parts.config, followed: parts.followed }),
    ...routeAdmin({ store, models, router: parts.router, detours: parts.detours }),
    usage: {
      async recent(query) {
        // What was answered a moment ago belongs in the list; a database that is away must not hang it.
        await parts.settler.settled(AbortSignal.timeout(2000)).catch(() => undefined);
        return recentUsage(store.sql, query);
      },
    },
    audit: { recent: (query) => recentAudit(store.sql, query) },
    config() {
      const { config } = parts.followed;
      return { path: config.path, settings: describeConfig(config), warnings: config.warnings };
    },
    async status() {
      const node = parts.node();
      const { replicas } = board.state;
      const defaultModel = models.defaultModel();
      const { ok: journalOk, pending } = parts.journal.health();
      return {
        version: parts.version,
        role: "leader",
        url: parts.url(),
        startedAt: parts.startedAt,
        pid: process.pid,
        dataDir: values.data_dir,
        defaultModel: defaultModel === "" ? null : defaultModel,
        smokeTest: replicas.some((replica) => replica.model === defaultModel && replica.smokeTest),
        engines: node?.engines ?? [],
        models: replicas.map((replica) => ({ replica, busy: parts.router.busy(replica.id) })),
        nodes: parts.cluster.registry
          .list()
          .flatMap(({ id, name, standing, state }) =>
            state === null ? [] : [{ id, name, state: standing, inventory: state.inventory }],
          ),
        requestsInFlight: parts.metrics.inFlight,
        store: { type: values.storage.type, ok: parts.settler.health().ok },
        journal: { ok: journalOk, pending },
        hints: parts.hints(),
      };
    },
    async models() {
      const defaultModel = models.defaultModel();
      return board.state.replicas.map((replica) => ({
        replica,
        state: board.engineOf(replica)?.state ?? "stopped",
        isDefault: replica.model === defaultModel,
      }));
    },
    catalog: () => parts.catalog.read(),
    nodes: adminNodes({
      cluster: parts.cluster,
      router: parts.router,
      jobs,
      store,
      settled: () => parts.settler.settled(AbortSignal.timeout(2000)).catch(() => undefined),
    }),
    adapters: adapterAdmin({ store, cluster: parts.cluster, actorOf }),
    engines: engineAdmin({ store, cluster: parts.cluster, actorOf }),
    engineVersions: engineVersionAdmin({ store, cluster: parts.cluster, jobs, actorOf }),
    jobs: {
      list: (limit) => jobs.list(limit),
      get: (id) => jobs.get(id),
      cancel: (id, actor) => jobs.cancel(id, actorOf(actor)),
      enqueue: (kind, input, actor) => jobs.enqueue(kind, input, actorOf(actor)),
      events: (id, afterSeq, signal) => jobs.events(id, afterSeq, signal),
    },
  };
}
