import { join } from "node:path";
import { hashOptions } from "../cluster/agent-record.ts";
import { endAgent, entryOfDefault, toAgentOptions, whenReady } from "./node.ts";
import { createLocalLink } from "../cluster/local-link.ts";
import { spawnAgent } from "../cluster/spawn-agent.ts";
import { ownModelLoader } from "./undrain.ts";
import { type AdminSide, loadAdminSide } from "./admin-side.ts";
import { ASSIGN_JOB } from "./assign.ts";
import { installEngineJob } from "./engine-versions.ts";
import { type Lifecycle, lifecycle } from "./lifecycle.ts";
import { composeCluster } from "./cluster.ts";
import { gatewayId, openLimits } from "./limits.ts";
import { followStore } from "./follow.ts";
import { openRecords, settleLeftovers } from "./records.ts";
import { watchedReplicas } from "./replicas.ts";
import { loadChains, logDecision } from "./routing.ts";
import { engineLink } from "./engine-link.ts";
import { healthOf, reportReady } from "./ready.ts";
import type { CleanUp } from "./clean-up.ts";
import type { ReadyReport } from "./start.ts";
import { parseListen } from "../config/listen.ts";
import type { LoadedConfig } from "../config/load.ts";
import { systemClock } from "../core/clock.ts";
import { ANONYMOUS } from "../core/principal.ts";
import { err, ok, type Result } from "../core/result.ts";
import { warmUp } from "../dialect/warm-up.ts";
import type { GatewayDeps } from "../gateway/ports.ts";
import { DEFAULT_LIMITS } from "../gateway/ports.ts";
import { MemoryResponseStore } from "../gateway/memory-response-store.ts";
import { HEALTH_TIMES } from "../health/health-times.ts";
import { createApp } from "../http/app.ts";
import type { Health } from "../http/routes/health.ts";
import { JobRunner } from "../jobs/job-runner.ts";
import { rebuildRollups } from "../jobs/rebuild-rollups.ts";
import type { Handlers } from "../leader/listen.ts";
import { hints } from "../leader/hints.ts";
import type { HandOver } from "../leader/hand-over.ts";
import { shrinkAfterStart } from "../leader/shrink-after-start.ts";
import type { StartProblem } from "../leader/start-problem.ts";
import { ModelDirectory } from "../routing/model-directory.ts";
import { changeCounts } from "../store/change-counts.ts";
import { allKeys } from "../store/keys.ts";
import { DiskResponses } from "../store/disk-responses.ts";
import { openStore } from "../store/open-store.ts";
import { storeAddress } from "../store/address.ts";
import { storeOrFileProblemOf } from "../store/store-problem.ts";
import type { Log } from "../telemetry/log.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { bootstrapAdmin } from "../tenancy/bootstrap-admin.ts";
import { KeyRing } from "../tenancy/key-ring.ts";

const LOCAL_NODE = "local";
const AGENT_START_MS = 30_000;

export interface LeaderOptions {
  readonly config: LoadedConfig;
  readonly version: string;
  readonly log: Log;
  /** How Flock is called from a shell, for the lines that are printed. */
  readonly program: string;
  /** Runs this executable as an agent: executable first. */
  readonly agentCommand: readonly string[];
  /** Runs the embedded engine's child. */
  readonly engineCommand: readonly string[];
  readonly engineEnv: Readonly<Record<string, string>>;
  /** Only for the child: the agent is started with `engineEnv` alone. */
  readonly engineChildEnv: Readonly<Record<string, string>>;
  readonly bundledModel: string;
  readonly bundledCatalog: string;
  readonly gpuCommand: string;
  /** A leader that runs on the same directory is to make room, without an interruption. */
  readonly takesOver: boolean;
  /** Gets a line for the terminal while the engine is not ready yet. */
  readonly progress: (line: string) => void;
}

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

/** What the disk or the database threw in the middle of a start; null: a bug. */
export function toStartProblem(cause: unknown, { config }: LeaderOptions): StartProblem | null {
  const address = storeAddress(config.values.storage.dsn, config.values.data_dir);
  const problem = address.ok ? storeOrFileProblemOf(cause, address.value) : address.error;
  return problem === null ? null : { kind: "store", message: problem.message, mend: problem.mend };
}

/** Builds the leader and everything in it. */
export async function composeLeader(
  options: LeaderOptions,
  shell: Shell,
  cleanUp: CleanUp,
  signal: AbortSignal,
): Promise<Result<ComposedLeader, StartProblem>> {
  const { config, log, version } = options;
  const { url, startedAt } = shell;
  const { values } = config;
  const dataDir = values.data_dir;
  const keyless = !values.auth.require_keys;

  const opened = await openStore({ dsn: values.storage.dsn, dataDir, clock: systemClock, log });
  if (!opened.ok) return err({ kind: "store", message: opened.error.message, mend: opened.error.mend });
  const store = opened.value;
  cleanUp.push(() => store.close());
  const recording = { store, dir: join(dataDir, "journal"), fsync: values.usage.fsync, log };
  await settleLeftovers(recording);
  const records = openRecords(recording);
  const { settler } = records;
  cleanUp.push(() => records.close());

  // Several may share a database that is a server; a file has one.
  const leader = store.kind === "sqlite" ? "" : gatewayId(dataDir);
  const keysSeen = (await changeCounts(store.sql)).keys;
  const ring = new KeyRing(systemClock, await allKeys(store.sql));
  const adminKey = await bootstrapAdmin({ store, ring }, dataDir);
  if (!adminKey.ok)
    return err({
      kind: "store",
      message: `the admin key could not be made: ${adminKey.error.kind}`,
      mend: "flock config check",
    });
  if (adminKey.value.kind === "unusable") log.warn(adminKey.value.message, { mend: adminKey.value.mend });

  const replicas = watchedReplicas({
    localNode: LOCAL_NODE,
    limits: DEFAULT_LIMITS,
    stickySessions: values.router.sticky_sessions,
    p95LimitMs: values.router.latency_fallback_p95_seconds * 1000,
    severalKeys: () => !keyless && ring.size > 1,
    onDecision: values.log_level === "debug" ? logDecision(log) : null,
    times: HEALTH_TIMES,
    call: (node, operation, over) => cluster.link.call(node, operation, over),
    link: () => gateway.link,
    log: (message, fields) => log.warn(message, fields),
  });
  cleanUp.push(() => Promise.resolve(replicas.stop()));
  const { board } = replicas;
  const models = new ModelDirectory(board, values.router.default_model, values.engine.preferred);
  const followed = await followStore({ store, ring, models, config, keysSeen, log });
  cleanUp.push(() => Promise.resolve(followed.stop()));
  const limits = await openLimits({ store, clock: systemClock, dataDir, records });
  cleanUp.push(() => limits.stop());
  const metrics = new Metrics();

  const own = { ...options, config: followed.config };
  const agentOptions = toAgentOptions(own, LOCAL_NODE, await entryOfDefault(own));
  const link = createLocalLink({
    dataDir,
    node: LOCAL_NODE,
    optionsHash: hashOptions(agentOptions),
    spawnAgent: () =>
      spawnAgent({ command: options.agentCommand, env: options.engineEnv, dataDir, options: agentOptions }),
    log: (message) => log.warn(message),
  });

  let asNode: AdminSide["asNode"] = async () => new Response(null, { status: 503, headers: { "retry-after": "1" } });
  const composed = await composeCluster({
    store,
    log,
    version,
    config: values,
    localNode: LOCAL_NODE,
    leader,
    local: link,
    router: replicas.router,
    models,
    url,
    program: options.program,
    board: () => board.state,
    bundledCatalog: options.bundledCatalog,
    earlier: shell.takesOver?.answering ?? [],
    assign(node) {
      jobs
        .enqueue(ASSIGN_JOB, { node }, "flock")
        .catch((cause: unknown) => log.warn("no model is assigned", { cause }));
    },
    admin: (request, node) => asNode(request, node),
  });
  if (!composed.ok) return composed;
  const cluster = composed.value;
  cleanUp.push(() => cluster.close());
  link.onChange((state) => cluster.local(state));
  // It takes a while, in a process of its own: the rest is built meanwhile.
  const attaching = link.ensureAgent(AbortSignal.any([signal, AbortSignal.timeout(AGENT_START_MS)]));
  cleanUp.push(async () => {
    await attaching;
    // It was there before this start, and whose it was takes it back.
    await (shell.takesOver === null ? endAgent(link, dataDir) : link.close());
  });

  const gateway: GatewayDeps = {
    keys: { find: (secret, sender) => (keyless ? ok(ANONYMOUS) : ring.find(secret, sender)) },
    models,
    ...limits.gateway,
    replicas: replicas.picker,
    detours: replicas.detours,
    link: engineLink(cluster.link, board),
    usage: records,
    metrics,
    log,
    limits: DEFAULT_LIMITS,
    node: LOCAL_NODE,
  };

  const jobs = new JobRunner({
    store,
    log,
    leader,
    kinds: [rebuildRollups(store.sql, settler), installEngineJob(cluster), ...cluster.jobs],
  });

  const loadOwn = ownModelLoader(cluster, jobs);
  cluster.book.onChange(({ node, drainedSince }) => {
    if (drainedSince === null) return;
    loadOwn(node.id, drainedSince).catch((cause: unknown) => log.warn("its own model is not loaded", { cause }));
  });
  followed.onChange("nodes", () => cluster.book.refresh());
  // What came between the book's opening and now.
  await cluster.book.refresh();
  followed.onChange("jobs", () => jobs.look());

  const health = (): Health =>
    healthOf({ served: board.state.replicas.length, stopping: shell.stopping(), records, settler });
  let admin: Promise<AdminSide> | null = null;
  const loadAdmin = (): Promise<AdminSide> =>
    loadAdminSide(
      {
        clock: systemClock,
        log,
        version,
        config,
        followed,
        quotas: limits.quotas,
        store,
        ring,
        journal: records,
        settler,
        jobs,
        board,
        router: replicas.router,
        detours: replicas.detours,
        models,
        metrics,
        cluster,
        startedAt,
        url: () => url,
        node: () => link.state(),
        hints: () =>
          hints({
            state: link.state(),
            defaultModel: models.defaultModel(),
            program: options.program,
            gpuCommand: options.gpuCommand,
            keyProblem: adminKey.value.kind === "unusable" ? adminKey.value : null,
          }),
      },
      options.bundledCatalog,
    );
  asNode = async (request, node) => await (await (admin ??= loadAdmin())).asNode(request, node);
  const app = createApp({
    gateway,
    keyless,
    models: {
      keys: gateway.keys,
      replicas: () => board.state.replicas,
      aliases: (keyId) => models.aliasesOf(keyId),
      startedAt,
    },
    health: { health, renderMetrics: () => metrics.render(replicas.router.queues()), keys: gateway.keys },
    responses:
      values.responses.store === "disk"
        ? new DiskResponses({ dir: join(dataDir, "responses"), clock: systemClock, log })
        : new MemoryResponseStore(systemClock),
    admin: () => (admin ??= loadAdmin()),
  });

  const serve = (): void =>
    shell.serve({
      any: (request, connection) => app.fetch(request, connection),
      buffered: (path) => app.buffered(path),
    });
  if (shell.takesOver === null) serve();
  const loopback = parseListen(values.listen)?.loopback === true;
  if (!loopback && values.tls.cert === "" && !keyless) {
    log.warn("keys travel unencrypted to other machines: set tls.cert and tls.key, or listen on 127.0.0.1 only");
  }
  log.debug("listening", { url, pid: process.pid });

  replicas.start();
  const agent = await attaching;
  if (!agent.ok) return err({ kind: "agent", message: agent.error.message, mend: agent.error.mend });
  cluster.local(agent.value);
  cluster.lead();
  // The one before goes on answering until this one can.
  if (shell.takesOver !== null) {
    cluster.adopt(shell.takesOver.nodes);
    serve();
  }
  await jobs.start();

  const ready = whenReady(link, board, options.progress).then((state) =>
    reportReady({
      options,
      state,
      url,
      defaultModel: models.defaultModel(),
      adminKey: adminKey.value,
      // Only for a person: what takes over from another process says nothing on a terminal.
      invite: shell.takesOver === null ? () => cluster.invite() : null,
    }),
  );
  void ready
    .then(warmUp)
    .then(() => loadChains(options, replicas.detours, models))
    .then(() => shrinkAfterStart(() => metrics.inFlight))
    .catch((cause: unknown) => log.error("the catalogue could not be read", { cause }));

  return ok({ ready, ...lifecycle({ link, jobs, cluster, records, limits, followed, replicas, store, dataDir, log }) });
}
