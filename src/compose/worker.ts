import { hostname, networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { hashOptions } from "../cluster/agent-record.ts";
import type { NodeService } from "../cluster/link.ts";
import { createLocalLink, type LocalLink } from "../cluster/local-link.ts";
import { usableAddresses } from "../cluster/node-address.ts";
import type { NodeCredential } from "../cluster/node-credential.ts";
import { machineLoad, nodeProcesses } from "../cluster/node-operations.ts";
import { newLife } from "../cluster/signed-call.ts";
import { socketPath } from "../cluster/socket-path.ts";
import { spawnAgent } from "../cluster/spawn-agent.ts";
import type { LeaderOptions } from "./leader.ts";
import { followMesh } from "./mesh.ts";
import { endAgent, entryOfDefault, toAgentOptions } from "./node.ts";
import { type CleanUp, undo } from "./clean-up.ts";
import type { ReadyReport, RunningLeader, StopReason } from "./start.ts";
import { parseListen } from "../config/listen.ts";
import type { Config } from "../config/settings.ts";
import { systemClock } from "../core/clock.ts";
import type { NodeState } from "../core/node.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { LeaderInfo } from "../leader/control-protocol.ts";
import { openControlSocket } from "../leader/control-socket.ts";
import { prepareDataDirectory } from "../leader/data-directory.ts";
import { listen } from "../leader/listen.ts";
import type { StartProblem } from "../leader/start-problem.ts";
import { workerClientPort } from "../worker/client-port.ts";
import { keepCredential, keepRemoved } from "../worker/credential-file.ts";
import { HEARTBEAT_TIMES, heartbeatLoop } from "../worker/heartbeat-loop.ts";
import { machineId } from "../worker/machine-id.ts";
import { registerAgain } from "../worker/register-again.ts";
import { ModelPuller, PULL_TIMES } from "../worker/model-puller.ts";
import { withFiles, withPulls } from "../worker/worker-files.ts";
import { openWorkerLink, type WorkerLink } from "../worker/worker-link.ts";

const LOCAL_NODE = "local";
const AGENT_START_MS = 30_000;
const DRAIN_MS = 20_000;
const LOAD_MS = 3_000;
const WORKER_PORT = 8081;

/** Starts this machine's part in the cluster that it belongs to: agent, engines, the link to the leader, heartbeats. */
export async function startWorker(
  options: LeaderOptions,
  credential: NodeCredential,
  signal: AbortSignal,
): Promise<Result<RunningLeader, StartProblem>> {
  const cleanUp: CleanUp = [];
  const started = await start(options, credential, cleanUp, signal);
  if (!started.ok) await undo(cleanUp);
  return started;
}

async function start(
  options: LeaderOptions,
  credential: NodeCredential,
  cleanUp: CleanUp,
  signal: AbortSignal,
): Promise<Result<RunningLeader, StartProblem>> {
  const { config, log, version } = options;
  const { values } = config;
  const dataDir = values.data_dir;
  const startedAt = Date.now();
  let leaderUrl = "";
  let report: ReadyReport | null = null;
  let stopping = false;
  const stopAsked = Promise.withResolvers<StopReason>();
  const info = (): LeaderInfo => ({
    pid: process.pid,
    version,
    url: leaderUrl || `the leader at ${credential.leader.addresses[0]}`,
    startedAt,
    ready: report !== null,
    readyBlock: report?.block ?? [],
    problem: report?.problem ?? null,
    serving: report !== null,
    stopping,
  });
  const prepared = prepareDataDirectory(dataDir);
  if (!prepared.ok) return prepared;
  const control = await openControlSocket(
    dataDir,
    {
      info,
      shutdown: () => stopAsked.resolve("asked"),
      // A worker has no clients of its own: its engines outlive it, and the leader asks others meanwhile.
      handOver: () => Promise.resolve(null),
      handedOver: () => undefined,
    },
    signal,
  );
  if (!control.ok) return control;
  cleanUp.push(() => control.value.close());

  const local = await startAgent(options);
  const attached = await local.ensureAgent(AbortSignal.any([signal, AbortSignal.timeout(AGENT_START_MS)]));
  cleanUp.push(() => endAgent(local, dataDir));
  if (!attached.ok) return err({ kind: "agent", message: attached.error.message, mend: attached.error.mend });
  const place = workerPlace(values);
  let beatNow: () => void = () => undefined;
  const opened = linkToLeader(options, credential, local, place, () => beatNow());
  if (!opened.ok) {
    const mend = `FLOCK_CLUSTER_LISTEN=:${(place?.port ?? WORKER_PORT) + 1} ${options.program} up`;
    return err({ kind: "port_busy", message: `the port for the leader cannot be opened: ${opened.error}`, mend });
  }
  const link = opened.value;
  cleanUp.push(() => link.close());
  const clients = listenForClients(options, () => leaderUrl);
  cleanUp.push(() => clients.close());

  const mesh = followMesh(values, log, () => beatNow());
  cleanUp.push(() => Promise.resolve(mesh.stop()));
  const addresses = (): string[] => {
    if (place === null) return [];
    const inMesh = mesh.addresses(place.host, link.port);
    return [...new Set([...inMesh, ...usableAddresses(place.host, link.port, networkInterfaces())])];
  };

  const firstBeat = Promise.withResolvers<void>();
  const beating = new AbortController();
  const about = () => {
    const inventory = local.state()?.inventory;
    if (inventory === undefined) return null;
    const machine = machineId(dataDir);
    return { machine, version, addresses: addresses(), inventory: { ...inventory, gpus: [...inventory.gpus] } };
  };
  const beats = heartbeatLoop(
    {
      calls: link.calls,
      version,
      epoch: startedAt,
      state: () => (stopping ? withoutReplicas(local.state()) : local.state()),
      onChange(listener) {
        beatNow = listener;
        return local.onChange(listener);
      },
      addresses,
      load: () => loadOf(local, link),
      utilisation: (over) => utilisationOf(local, over),
      answered(answer) {
        leaderUrl = answer.url ?? leaderUrl;
        link.heard(answer);
        firstBeat.resolve();
      },
      registerAgain: (over) => registerAgain({ ...link, about }, over),
      random: Math.random,
      log: (message) => log.warn(message),
      times: HEARTBEAT_TIMES,
    },
    beating.signal,
  );
  const ended = beats.then((end): Promise<StartProblem> | StartProblem => {
    if (end === null) return new Promise<never>(() => undefined);
    const { message, mend, removed } = end;
    if (removed) link.remove({ at: Date.now(), message, mend });
    return { kind: "agent", message, mend };
  });
  const ready = Promise.race([firstBeat.promise, aborted(signal)]).then(() => {
    report = { block: readyBlock(options, credential, leaderUrl, link.port), problem: null };
    return report;
  });
  let stopped: Promise<void> | null = null;
  const stop = async (cut: AbortSignal): Promise<void> => {
    stopping = true;
    // The leader hears of it with the next heartbeat, which goes out at once, and sends nothing new.
    beatNow();
    await link.inFlight.drain(AbortSignal.any([cut, AbortSignal.timeout(DRAIN_MS)]));
    beating.abort();
    await beats;
    mesh.stop();
    await link.close();
    await clients.close();
    await endAgent(local, dataDir);
    control.value.close();
  };
  return ok({ ready, ended, stopAsked: stopAsked.promise, stop: (cut) => (stopped ??= stop(cut)) });
}

/** What a worker tells that is about to stop: it serves nothing. */
function withoutReplicas(state: NodeState | null): NodeState | null {
  return state === null ? null : { ...state, replicas: [], version: state.version + 1 };
}

async function startAgent(options: LeaderOptions): Promise<LocalLink> {
  const agentOptions = toAgentOptions(options, LOCAL_NODE, await entryOfDefault(options));
  const dataDir = options.config.values.data_dir;
  return createLocalLink({
    dataDir,
    node: LOCAL_NODE,
    optionsHash: hashOptions(agentOptions),
    spawnAgent: () =>
      spawnAgent({ command: options.agentCommand, env: options.engineEnv, dataDir, options: agentOptions }),
    log: (message) => options.log.warn(message),
  });
}

function linkToLeader(
  { config, log, version }: LeaderOptions,
  credential: NodeCredential,
  local: LocalLink,
  place: ReturnType<typeof workerPlace>,
  dialled: () => void,
): Result<WorkerLink, string> {
  const dataDir = config.values.data_dir;
  const socket = socketPath({ dataDir, name: "node", temporaryDir: tmpdir(), uid: process.getuid?.() ?? 0 });
  let puller: ModelPuller | null = null;
  const call = withPulls(
    (operation, over) => local.call(LOCAL_NODE, operation, over),
    () => puller,
  );
  const opened = openWorkerLink({
    credential,
    keep: (changed) => ("removed" in changed ? keepRemoved(dataDir, changed) : keepCredential(dataDir, changed)),
    version,
    clock: systemClock,
    newLife,
    listen: place,
    socket: socket.ok ? socket.value : join(dataDir, "node.sock"),
    fetch: withFiles((engineId, request, over) => local.fetchEngine(engineId, request, over), call),
    call,
    portOf: (service) => portOf(local, service),
    dialled,
    log: (message) => log.warn(message),
  });
  if (!opened.ok) return opened;
  const link = opened.value;
  const { calls } = link;
  const brings = new ModelPuller({
    modelsDir: config.values.storage.models_dir,
    calls,
    dial: (way, part, from, signal) => link.dial(way, part, from, signal),
    log: (message) => log.info(message),
    times: PULL_TIMES,
  });
  puller = brings;
  const stop = async (): Promise<void> => {
    brings.stop();
    await link.close();
  };
  return ok({ ...link, close: stop });
}

async function portOf(local: LocalLink, service: NodeService): Promise<number | null> {
  const engine = local.state()?.engines.find(({ id }) => service === `engine/${id}`);
  if (engine?.endpoint) return Number(new URL(engine.endpoint).port);
  const running = await local.call(LOCAL_NODE, nodeProcesses(), AbortSignal.timeout(LOAD_MS));
  return (running.ok ? running.value : []).find(({ id }) => service === `process/${id}`)?.port ?? null;
}

/** Whoever takes this machine for the leader hears where that is. A port that is taken is no reason not to work. */
function listenForClients({ config, log }: LeaderOptions, leaderUrl: () => string): { close(): Promise<void> } {
  const { values } = config;
  const address = parseListen(values.listen);
  const listening =
    address === null ? null : listen({ any: workerClientPort(leaderUrl), buffered: () => null }, address, values.tls);
  if (listening?.ok === true) return { close: () => listening.value.close(AbortSignal.abort()) };
  if (listening !== null) log.debug("clients cannot be told where the leader is", { why: listening.error.message });
  return { close: () => Promise.resolve() };
}

/** Null: this machine opens nothing to others, so the leader comes through the tunnel. */
function workerPlace(
  config: Config,
): { readonly host: string; readonly port: number; readonly otherPorts: boolean } | null {
  const own = config.cluster.listen;
  const address = parseListen(own === "" ? config.listen : own);
  if (address === null || (own === "" && address.loopback)) return null;
  if (own !== "") return { host: address.host, port: address.port, otherPorts: false };
  return { host: address.host, port: WORKER_PORT, otherPorts: true };
}

/** Of an engine with several models only it knows which is at what: the leader then goes by its own count. */
function loadOf(local: LocalLink, link: WorkerLink) {
  const replicas = local.state()?.replicas ?? [];
  return replicas.flatMap(({ id, engineId }) => {
    const alone = replicas.filter((other) => other.engineId === engineId).length === 1;
    return alone ? [{ replica: id, running: link.inFlight.of(engineId), waiting: 0 }] : [];
  });
}

async function utilisationOf(local: LocalLink, signal: AbortSignal) {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LOAD_MS)]);
  const load = await local.call(LOCAL_NODE, machineLoad(), limit);
  if (!load.ok) return { cpu: null, gpu: null };
  const busy = load.value.gpus.flatMap(({ busy: share }) => (share === null ? [] : [share]));
  return { cpu: load.value.cpu, gpu: busy.length === 0 ? null : Math.max(...busy) };
}

function readyBlock(options: LeaderOptions, { node }: NodeCredential, leaderUrl: string, port: number): string[] {
  const way =
    port === 0 ? "through its own connection to the leader" : `on port ${port}, or through its own connection`;
  return [
    `✔ ${hostname()} is a worker of the cluster at ${leaderUrl} (node ${node})`,
    `✔ the leader reaches it ${way}`,
    "",
    `  ${options.program} node ls   shows the cluster, from here too`,
  ];
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
