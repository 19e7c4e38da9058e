import { join } from "node:path";
import type { AgentOptions } from "./agent/agent-options.ts";
import { hashOptions } from "./cluster/agent-record.ts";
import { createLocalLink } from "./cluster/local-link.ts";
import { spawnAgent } from "./cluster/spawn-agent.ts";
import { adminDeps } from "./compose-admin.ts";
import { localUrl, parseListen } from "./config/listen.ts";
import type { LoadedConfig } from "./config/load.ts";
import { systemClock, utcDayStart } from "./core/clock.ts";
import type { NodeState } from "./core/node.ts";
import { ANONYMOUS } from "./core/principal.ts";
import { err, ok, type Result } from "./core/result.ts";
import type { GatewayDeps } from "./gateway/ports.ts";
import { DEFAULT_LIMITS } from "./gateway/ports.ts";
import { createApp, type SubApp } from "./http/app.ts";
import { JobRunner } from "./jobs/job-runner.ts";
import { rebuildRollups } from "./jobs/rebuild-rollups.ts";
import { openControlSocket } from "./leader/control-socket.ts";
import type { LeaderInfo } from "./leader/control-protocol.ts";
import { prepareDataDirectory } from "./leader/data-directory.ts";
import { removeLeaderFile, writeLeaderFile } from "./leader/leader-file.ts";
import { listen, type ServerHandle } from "./leader/listen.ts";
import { readyBlock } from "./leader/ready-block.ts";
import type { StartProblem } from "./leader/start-problem.ts";
import { ENGINE_WIRES } from "./engine/registry.ts";
import { ModelDirectory } from "./routing/model-directory.ts";
import { ReplicaBoard } from "./routing/replica-board.ts";
import { listAliases } from "./store/aliases.ts";
import { allKeys } from "./store/keys.ts";
import { openStore } from "./store/open-store.ts";
import { usedTokensToday } from "./store/rollups.ts";
import { settleAll } from "./store/settle-journal.ts";
import { startSettler } from "./store/settler.ts";
import type { Log } from "./telemetry/log.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { openUsageJournal } from "./telemetry/usage-journal.ts";
import { bootstrapAdmin } from "./tenancy/bootstrap-admin.ts";
import { KeyRing } from "./tenancy/key-ring.ts";
import { DailyLedger } from "./tenancy/ledger.ts";
import { concurrencyPolicy, dailyQuotaPolicy } from "./tenancy/policies.ts";

const LOCAL_NODE = "local";
const JSON_BODY = { "content-type": "application/json" };
/** How long answers that are running may take to end when Flock is stopped. */
const DRAIN_MS = 20_000;
/** Answers at once of the embedded engine; each holds a context of its own in memory. */
const DEFAULT_SLOTS = 4;

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
  readonly bundledModel: string;
  readonly gpuCommand: string;
}

export interface RunningLeader {
  readonly info: () => LeaderInfo;
  /** Resolves when requests can be answered, or when it is clear that none soon will be; with the ready block. */
  readonly ready: Promise<readonly string[]>;
  /** Resolves when somebody asked over the control socket to stop. */
  readonly stopAsked: Promise<void>;
  /** Lets running answers end, settles the records, stops the engines. Safe to call twice. */
  stop(): Promise<void>;
}

/** Builds the leader and everything in it. Every failure says what and how to mend it, and leaves nothing running. */
export async function startLeader(options: LeaderOptions): Promise<Result<RunningLeader, StartProblem>> {
  const cleanUp: (() => Promise<void> | void)[] = [];
  const undo = async (): Promise<void> => {
    for (const step of cleanUp.toReversed()) await step();
  };
  const started = await build(options, cleanUp).catch(async (cause: unknown) => {
    await undo();
    throw cause;
  });
  if (!started.ok) await undo();
  return started;
}

async function build(
  options: LeaderOptions,
  cleanUp: (() => Promise<void> | void)[],
): Promise<Result<RunningLeader, StartProblem>> {
  const { config, log, version } = options;
  const { values } = config;
  const dataDir = values.data_dir;
  const keyless = !values.auth.require_keys;
  const startedAt = Date.now();
  let url = "";
  let block: readonly string[] = [];
  let stopping = false;
  const stopAsked = Promise.withResolvers<void>();
  const info = (): LeaderInfo => {
    return { pid: process.pid, version, url, startedAt, ready: block.length > 0, readyBlock: block, stopping };
  };

  const prepared = prepareDataDirectory(dataDir);
  if (!prepared.ok) return prepared;
  const control = await openControlSocket(dataDir, info, () => stopAsked.resolve());
  if (!control.ok) return control;
  cleanUp.push(() => control.value.close());

  const journalDir = join(dataDir, "journal");
  const opened = await openStore({ dsn: values.storage.dsn, dataDir, clock: systemClock, log });
  if (!opened.ok) return err({ kind: "store", message: opened.error.message, mend: opened.error.mend });
  const store = opened.value;
  cleanUp.push(() => store.close());
  // Usage of a process that was killed comes in before a quota is computed from the sums.
  await settleAll(store, journalDir, log);
  const journal = openUsageJournal(journalDir, { fsync: values.usage.fsync, log });
  cleanUp.push(() => journal.close());

  const ring = new KeyRing(systemClock, await allKeys(store.sql));
  const adminKey = await bootstrapAdmin({ store, ring }, dataDir);
  if (!adminKey.ok) return err({ kind: "store", message: `the admin key could not be made: ${adminKey.error.kind}`, mend: "flock config check" });
  if (adminKey.value.kind === "unusable") log.warn(adminKey.value.message, { mend: adminKey.value.mend });

  const board = new ReplicaBoard(LOCAL_NODE, DEFAULT_LIMITS.replicaWaitMs);
  const models = new ModelDirectory(board, values.router.default_model);
  models.setAliases(new Map((await listAliases(store.sql)).map(({ name, model }) => [name, model])));
  const ledger = new DailyLedger(systemClock, await usedTokensToday(store.sql, utcDayStart(Date.now())));
  const metrics = new Metrics();

  const agentOptions = toAgentOptions(options);
  const link = createLocalLink({
    dataDir,
    node: LOCAL_NODE,
    optionsHash: hashOptions(agentOptions),
    spawnAgent: () =>
      spawnAgent({ command: options.agentCommand, env: options.engineEnv, dataDir, options: agentOptions }),
    log: (message) => log.warn(message),
  });

  const gateway: GatewayDeps = {
    keys: { find: (secret) => (keyless ? ok(ANONYMOUS) : ring.find(secret)) },
    models,
    policies: [concurrencyPolicy(ledger), dailyQuotaPolicy(ledger)],
    replicas: {
      async pick(model, tried, signal) {
        const picked = await board.pick(model, tried, signal);
        if (!picked.ok) return picked;
        const wire = ENGINE_WIRES[picked.value.replica.engine];
        if (wire) return ok({ ...picked.value, wire });
        return err({ kind: "engine_failed", engine: picked.value.replica.engine, cause: "this version has no driver for it" });
      },
      begin: (replica) => board.begin(replica),
    },
    link: {
      fetch: (replica, path, { body, signal }) =>
        link.fetchEngine(replica.engineId, { method: "POST", path, headers: JSON_BODY, body }, signal),
      describe(replica) {
        const engine = board.state.engines.find(({ id }) => id === replica.engineId);
        return { endpoint: engine?.endpoint ?? "", start: engine?.start ?? "flock up" };
      },
    },
    usage: journal,
    metrics,
    log,
    limits: DEFAULT_LIMITS,
    node: LOCAL_NODE,
  };

  const settler = startSettler({ path: store.path, dir: journalDir, log });
  cleanUp.push(() => settler.stop());
  const jobs = new JobRunner({ store, log, kinds: [rebuildRollups(store.sql, settler)] });

  const problems = (): string[] => {
    const found: string[] = [];
    if (board.state.replicas.length === 0) found.push("no model is loaded");
    for (const { problem } of [journal.health(), settler.health()]) if (problem !== null) found.push(problem);
    if (stopping) found.push("Flock is stopping");
    return found;
  };
  let admin: Promise<SubApp> | null = null;
  const loadAdmin = async (): Promise<SubApp> => {
    const [{ createAdminApp }, { createUiApp }] = await Promise.all([
      import("./http/admin/admin-app.ts"),
      import("./http/admin/ui.ts"),
    ]);
    const parts = { clock: systemClock, log, version, config, store, ring, journal, settler, jobs, board, models, metrics };
    const adminApp = createAdminApp(
      adminDeps({ ...parts, startedAt, url: () => url, node: () => link.state(), hints: () => [] }),
    );
    const ui = createUiApp();
    return {
      fetch: (request) => (new URL(request.url).pathname.startsWith("/ui") ? ui : adminApp).fetch(request),
    };
  };
  const app = createApp({
    gateway,
    keyless,
    models: { keys: gateway.keys, replicas: () => board.state.replicas, aliases: () => models.aliases, startedAt },
    health: { problems, renderMetrics: () => metrics.render(), keys: gateway.keys },
    admin: () => (admin ??= loadAdmin()),
  });

  const address = parseListen(values.listen);
  if (address === null) return err({ kind: "address", message: `listen: ${values.listen} is no address`, mend: "flock config check" });
  const listening = listen(app, address, { cert: values.tls.cert, key: values.tls.key });
  if (!listening.ok) return listening;
  const server: ServerHandle = listening.value;
  cleanUp.push(() => server.close(0));
  url = localUrl({ ...address, port: server.port }, values.tls.cert === "" ? "http" : "https");
  if (!address.loopback && values.tls.cert === "" && !keyless) {
    log.warn("keys travel unencrypted to other machines: set tls.cert and tls.key, or listen on 127.0.0.1 only");
  }
  writeLeaderFile(dataDir, { pid: process.pid, url, startedAt, version });
  cleanUp.push(() => removeLeaderFile(dataDir));
  log.debug("listening", { url, pid: process.pid });

  link.onChange((state) => models.update(state));
  const agent = await link.ensureAgent(AbortSignal.timeout(30_000));
  if (!agent.ok) return err({ kind: "agent", message: agent.error.message, mend: agent.error.mend });
  models.update(agent.value);
  await jobs.start();

  const ready = whenReady(link, board).then((state) => {
    const { value: key } = adminKey;
    block = readyBlock({
      state,
      url,
      defaultModel: models.defaultModel(),
      newAdminKey: key.kind === "created" && !keyless ? key.secret : null,
      adminKeyFile: keyless ? null : key.path,
      keyless,
      modelsDir: values.storage.models_dir,
      program: options.program,
      gpuCommand: options.gpuCommand,
    });
    return block;
  });
  // Nobody waits for these: they only make the first use quicker.
  void metrics.load().catch((cause: unknown) => log.error("metrics could not be loaded", { cause }));

  let stopped: Promise<void> | null = null;
  const stop = async (): Promise<void> => {
    stopping = true;
    await server.close(DRAIN_MS);
    await jobs.stop();
    await link.shutdown({ engines: true }, AbortSignal.timeout(30_000));
    await settler.stop();
    await journal.close();
    await store.close();
    removeLeaderFile(dataDir);
    control.value.close();
  };
  return ok({ info, ready, stopAsked: stopAsked.promise, stop: () => (stopped ??= stop()) });
}

/** An engine that is ready, or none that could become so: then the block says what is wrong. */
function whenReady(link: { state(): NodeState | null; onChange(listener: () => void): () => void }, board: ReplicaBoard): Promise<NodeState> {
  return new Promise((resolve) => {
    const look = (): void => {
      const state = link.state();
      if (!state) return;
      const coming = state.engines.some(({ state: at }) => at === "starting" || at === "backoff");
      if (board.state.replicas.length === 0 && coming) return;
      unsubscribe();
      resolve(state);
    };
    const unsubscribe = link.onChange(() => look());
    look();
  });
}

function toAgentOptions({ config, bundledModel, engineCommand, engineEnv }: LeaderOptions): AgentOptions {
  const { values } = config;
  const { engine } = values;
  return {
    dataDir: values.data_dir,
    node: LOCAL_NODE,
    modelsDir: values.storage.models_dir,
    bundledModel,
    defaultModel: values.router.default_model,
    enginePreferred: engine.preferred,
    llamacppEndpoint: { url: engine.llamacpp_endpoint, secret: engine.llamacpp_api_key },
    slots: engine.embedded_slots === 0 ? DEFAULT_SLOTS : engine.embedded_slots,
    contextTokens: engine.embedded_context,
    threads: engine.embedded_threads,
    gpu: engine.embedded_gpu,
    childCommand: [...engineCommand],
    childEnv: engineEnv,
  };
}
