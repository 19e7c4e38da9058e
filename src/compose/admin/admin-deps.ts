import { adapterAdmin } from "./adapters.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { engineVersionAdmin } from "./engine-versions.ts";
import { engineAdmin } from "./engines.ts";
import type { Followed } from "../leader/follow-store.ts";
import type { Shell } from "../leader/leader.ts";
import { modelNameAdmin } from "./model-names.ts";
import { adminNodes } from "./nodes.ts";
import { routeAdmin } from "./explain-route.ts";
import type { Routing } from "../leader/routing.ts";
import type { StartOptions } from "../start-options.ts";
import type { Stored } from "../leader/stored.ts";
import { type QuotaStart, tokenAdmin } from "./tokens.ts";
import type { Catalog } from "../../catalog/open-catalog.ts";
import { describeConfig } from "../../config/describe.ts";
import { systemClock } from "../../core/clock.ts";
import { newRequestId } from "../../core/id.ts";
import type { NodeState } from "../../core/node.ts";
import { ANONYMOUS, type Principal } from "../../core/principal.ts";
import { ok } from "../../core/result.ts";
import type { AdminDeps } from "../../http/admin/deps.ts";
import type { JobRunner } from "../../jobs/job-runner.ts";
import { hints } from "../../leader/hints.ts";
import { recentAudit } from "../../store/audit.ts";
import { storeProblemOf } from "../../store/store-problem.ts";
import { recentUsage } from "../../store/usage.ts";
import type { Metrics } from "../../telemetry/metrics.ts";

export interface AdminParts {
  /** Its configuration is as it was at the start, without what is stored. */
  readonly options: StartOptions;
  readonly shell: Pick<Shell, "url" | "startedAt">;
  readonly stored: Stored;
  readonly routing: Routing;
  readonly followed: Followed;
  readonly quotas: QuotaStart;
  readonly jobs: JobRunner;
  readonly catalog: Catalog;
  readonly metrics: Metrics;
  readonly cluster: Cluster;
  /** The leader's own machine, as its agent tells. */
  readonly node: () => NodeState | null;
}

/** Fits the parts to what the admin API declares that it needs. */
export function adminDeps(parts: AdminParts): AdminDeps {
  const { jobs, cluster, catalog, followed, quotas } = parts;
  const { config, version, log, program, gpuCommand } = parts.options;
  const { store, ring, records, adminKey } = parts.stored;
  const { board, models, router, detours } = parts.routing;
  const { values } = config;
  const { settler } = records;
  const actorOf = (principal: Principal): string => principal.keyName;
  const nameOf = (node: string): string => cluster.registry.get(node)?.name ?? node;
  const engines = engineAdmin({ store, cluster, actorOf });
  return {
    clock: systemClock,
    newRequestId: () => newRequestId(),
    explain(cause) {
      const problem = storeProblemOf(cause, store.address);
      // `failed` is what nobody has thought of: a statement that is wrong, say.
      if (problem === null || problem.kind === "failed") return null;
      return { kind: "store_unavailable", message: problem.message, mend: problem.mend };
    },
    reportBug: (request, cause) => log.error("internal error", { request, cause }),
    authenticate: (secret) => (values.auth.require_keys ? ring.find(secret ?? "") : ok(ANONYMOUS)),
    version,
    externalUrl: values.external_url,
    tokens: tokenAdmin({ store, ring, settler, followed, quotas }),
    ...modelNameAdmin({ store, models, catalog, config, followed }),
    ...routeAdmin({ store, models, router, detours }),
    usage: {
      async recent(query) {
        // What was answered a moment ago belongs in the list; a database that is away must not hang it.
        await settler.settled(AbortSignal.timeout(2000)).catch(() => undefined);
        return recentUsage(store.sql, query);
      },
    },
    audit: { recent: (query) => recentAudit(store.sql, query) },
    config() {
      const { path, warnings } = followed.config;
      return { path, settings: describeConfig(followed.config), warnings };
    },
    async status() {
      const { replicas } = board.state;
      const defaultModel = models.defaultModel();
      const { ok: journalOk, pending } = records.health();
      return {
        version,
        role: "leader",
        url: parts.shell.url,
        startedAt: parts.shell.startedAt,
        pid: process.pid,
        dataDir: values.data_dir,
        defaultModel: defaultModel === "" ? null : defaultModel,
        smokeTest: replicas.some((replica) => replica.model === defaultModel && replica.smokeTest),
        engines: engines.list(),
        models: replicas.map((replica) => ({
          replica,
          nodeName: nameOf(replica.node),
          busy: router.busy(replica.id),
        })),
        nodes: cluster.registry
          .list()
          .flatMap(({ id, name, standing, state }) =>
            state === null ? [] : [{ id, name, state: standing, inventory: state.inventory }],
          ),
        requestsInFlight: parts.metrics.inFlight,
        store: { type: values.storage.type, ok: settler.health().ok },
        journal: { ok: journalOk, pending },
        hints: hints({
          state: parts.node(),
          defaultModel,
          program,
          gpuCommand,
          keyProblem: adminKey.kind === "unusable" ? adminKey : null,
        }),
      };
    },
    async models() {
      const defaultModel = models.defaultModel();
      return board.state.replicas.map((replica) => ({
        replica,
        nodeName: nameOf(replica.node),
        state: board.engineOf(replica)?.state ?? "stopped",
        isDefault: replica.model === defaultModel,
      }));
    },
    catalog: () => catalog.read(),
    nodes: adminNodes({
      cluster,
      router,
      jobs,
      store,
      settled: () => settler.settled(AbortSignal.timeout(2000)).catch(() => undefined),
    }),
    adapters: adapterAdmin({ store, cluster, actorOf }),
    engines,
    engineVersions: engineVersionAdmin({ store, cluster, jobs, actorOf }),
    jobs: {
      list: (limit) => jobs.list(limit),
      get: (id) => jobs.get(id),
      cancel: (id, actor) => jobs.cancel(id, actorOf(actor)),
      enqueue: (kind, input, actor) => jobs.enqueue(kind, input, actorOf(actor)),
      events: (id, afterSeq, signal) => jobs.events(id, afterSeq, signal),
    },
  };
}
