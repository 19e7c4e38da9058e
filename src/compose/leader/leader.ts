import { lateAdminSide } from "../admin/admin-side.ts";
import { ASSIGN_JOB } from "../cluster/placing.ts";
import type { CleanUp } from "../clean-up.ts";
import { clientSide } from "./client-side.ts";
import { composeCluster } from "../cluster/cluster.ts";
import { engineLink } from "./engine-link.ts";
import { installEngineJob } from "../admin/engine-versions.ts";
import { followStore } from "./follow-store.ts";
import { type Lifecycle, lifecycle } from "./lifecycle.ts";
import { openLimits } from "./limits.ts";
import { attachAgent, endAgent, linkToAgent, LOCAL_NODE, whenReady } from "../own-agent.ts";
import { reportReady } from "./ready.ts";
import { composeRouting, loadChains } from "./routing.ts";
import type { ReadyReport } from "../running-node.ts";
import type { StartOptions } from "../start-options.ts";
import { openStored } from "./stored.ts";
import { loadOwnAfterDrains } from "../cluster/undrain.ts";
import { parseListen } from "../../config/listen.ts";
import { systemClock } from "../../core/clock.ts";
import { ok, type Result } from "../../core/result.ts";
import { warmUp } from "../../dialect/warm-up.ts";
import { JobRunner } from "../../jobs/job-runner.ts";
import { rebuildRollups } from "../../jobs/rebuild-rollups.ts";
import { calmCompilers } from "../../leader/calm-compilers.ts";
import type { HandOver } from "../../leader/hand-over.ts";
import type { Handlers } from "../../leader/listen.ts";
import { shrinkAfterStart } from "../../leader/shrink-after-start.ts";
import type { StartProblem } from "../../leader/start-problem.ts";
import { Metrics } from "../../telemetry/metrics.ts";

/** What the start has made before the leader is built. */
export interface Shell {
  readonly url: string;
  readonly startedAt: number;
  readonly stopping: () => boolean;
  /** What the leader before this one told when it made room; null: there was none. */
  readonly takesOver: HandOver | null;
  /** From this call on requests are answered. */
  readonly serve: (handlers: Handlers) => void;
}

export interface ComposedLeader extends Lifecycle {
  readonly ready: Promise<ReadyReport>;
}

/** Builds the leader and everything in it: what is stored, routing, limits, the cluster, and what answers requests. */
export async function composeLeader(
  options: StartOptions,
  shell: Shell,
  cleanUp: CleanUp,
  signal: AbortSignal,
): Promise<Result<ComposedLeader, StartProblem>> {
  const { config, log } = options;
  const { url, takesOver } = shell;
  const dataDir = config.values.data_dir;

  const opened = await openStored(options, takesOver?.answering ?? [], cleanUp);
  if (!opened.ok) return opened;
  const stored = opened.value;
  const { store, records, leader, ring } = stored;

  const routing = composeRouting(options, {
    severalKeys: () => config.values.auth.require_keys && ring.size > 1,
    call: (node, operation, over) => cluster.link.call(node, operation, over),
    link: () => engines,
  });
  cleanUp.push(() => routing.stop());
  const { board, models, router } = routing;
  const followed = await followStore({ ...stored, models, config, log });
  cleanUp.push(() => followed.stop());
  const limits = await openLimits({ store, clock: systemClock, dataDir, records });
  cleanUp.push(() => limits.stop());
  const metrics = new Metrics();

  const agentLink = await linkToAgent({ ...options, config: followed.config });
  const composed = await composeCluster({
    ...options,
    config: config.values,
    store,
    leader,
    localNode: LOCAL_NODE,
    local: agentLink,
    router,
    models,
    board: () => board.state,
    url,
    earlier: takesOver?.answering ?? [],
  });
  if (!composed.ok) return composed;
  const cluster = composed.value;
  cleanUp.push(() => cluster.close());
  const engines = engineLink(cluster.link, board);
  const kinds = [rebuildRollups(store.sql, records.settler), installEngineJob(cluster), ...cluster.jobs];
  const jobs = new JobRunner({ store, log, leader, kinds });
  const admin = lateAdminSide({
    options,
    shell,
    stored,
    routing,
    followed,
    quotas: limits.quotas,
    jobs,
    metrics,
    cluster,
    node: () => agentLink.state(),
  });
  const listening = cluster.open({
    assign: async (node) => void (await jobs.enqueue(ASSIGN_JOB, { node }, "flock")),
    admin: async (request, node) => await (await admin()).asNode(request, node),
  });
  if (!listening.ok) return listening;

  agentLink.onChange((state) => cluster.local(state));
  // It takes a while, in a process of its own: the rest is built meanwhile.
  const attaching = attachAgent(agentLink, signal);
  cleanUp.push(async () => {
    await attaching;
    // It was there before this start, and whose it was takes it back.
    await (takesOver === null ? endAgent(agentLink, dataDir) : agentLink.close());
  });
  loadOwnAfterDrains(cluster, jobs, log);
  followed.onChange("nodes", () => cluster.book.refresh());
  // What came between the book's opening and now.
  await cluster.book.refresh();
  followed.onChange("jobs", () => jobs.look());

  const answers = clientSide({ options, shell, stored, routing, limits, engines, metrics, admin });
  if (takesOver === null) shell.serve(answers);
  warnOfPlainKeys(options);
  log.debug("listening", { url, pid: process.pid });

  routing.start();
  const agent = await attaching;
  if (!agent.ok) return agent;
  cluster.local(agent.value);
  cluster.lead();
  // The one before goes on answering until this one can.
  if (takesOver !== null) {
    cluster.adopt(takesOver.nodes);
    shell.serve(answers);
  }
  await jobs.start();

  const ready = whenReady(agentLink, board, options.progress).then((state) =>
    reportReady({
      options,
      state,
      url,
      defaultModel: models.defaultModel(),
      adminKey: stored.adminKey,
      // Only for a person: what takes over from another process says nothing on a terminal.
      invite: takesOver === null ? () => cluster.invite() : null,
    }),
  );
  void ready
    .then(warmUp)
    .then(() => loadChains(options, routing))
    .then(() => {
      shrinkAfterStart(() => metrics.inFlight);
      calmCompilers();
    })
    .catch((cause: unknown) => log.error("the catalogue could not be read", { cause }));

  const parts = { link: agentLink, jobs, cluster, records, limits, followed, replicas: routing, store, dataDir, log };
  return ok({ ready, ...lifecycle(parts) });
}

function warnOfPlainKeys({ config: { values }, log }: StartOptions): void {
  const loopback = parseListen(values.listen)?.loopback === true;
  if (loopback || values.tls.cert !== "" || !values.auth.require_keys) return;
  log.warn("keys travel unencrypted to other machines: set tls.cert and tls.key, or listen on 127.0.0.1 only");
}
