import { networkInterfaces } from "node:os";
import { type CleanUp, undo } from "../clean-up.ts";
import { followMesh } from "../mesh.ts";
import { nodePlace } from "../node-place.ts";
import { attachAgent, endAgent, linkToAgent } from "../own-agent.ts";
import type { ReadyReport, RunningNode, StopReason } from "../running-node.ts";
import type { StartOptions } from "../start-options.ts";
import { type WorkerBeats, workerBeats } from "./beats.ts";
import { linkToLeader } from "./leader-link.ts";
import { usableAddresses } from "../../cluster/node-address.ts";
import type { NodeCredential } from "../../cluster/node-credential.ts";
import { parseListen } from "../../config/listen.ts";
import { ok, type Result } from "../../core/result.ts";
import { aborted } from "../../core/wait.ts";
import type { LeaderInfo } from "../../leader/control-protocol.ts";
import { openControlSocket } from "../../leader/control-socket.ts";
import { prepareDataDirectory } from "../../leader/data-directory.ts";
import { listen } from "../../leader/listen.ts";
import type { StartProblem } from "../../leader/start-problem.ts";
import { workerClientPort } from "../../worker/client-port.ts";

const DRAIN_MS = 20_000;

/** Starts this machine's part in the cluster that it belongs to: agent, engines, the link to the leader, heartbeats. */
export async function startWorker(
  options: StartOptions,
  credential: NodeCredential,
  signal: AbortSignal,
): Promise<Result<RunningNode, StartProblem>> {
  const cleanUp: CleanUp = [];
  const started = await start(options, credential, cleanUp, signal);
  if (!started.ok) await undo(cleanUp);
  return started;
}

async function start(
  options: StartOptions,
  credential: NodeCredential,
  cleanUp: CleanUp,
  signal: AbortSignal,
): Promise<Result<RunningNode, StartProblem>> {
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
      environment: () => null,
      shutdown: () => stopAsked.resolve("asked"),
      // A worker has no clients of its own: its engines outlive it, and the leader asks others meanwhile.
      handOver: () => Promise.resolve(null),
      handedOver: () => undefined,
    },
    signal,
  );
  if (!control.ok) return control;
  cleanUp.push(() => control.value.close());

  const local = await linkToAgent(options);
  const attached = await attachAgent(local, signal);
  cleanUp.push(() => endAgent(local, dataDir));
  if (!attached.ok) return attached;
  let beats: WorkerBeats | null = null;
  const place = nodePlace(values);
  const opened = linkToLeader({ options, credential, local, place, dialled: () => beats?.now() });
  if (!opened.ok) return opened;
  const link = opened.value;
  cleanUp.push(() => link.close());
  const clients = listenForClients(options, () => leaderUrl);
  cleanUp.push(() => clients.close());
  const mesh = followMesh(values, log, () => beats?.now());
  cleanUp.push(() => Promise.resolve(mesh.stop()));

  const firstBeat = Promise.withResolvers<void>();
  const telling = workerBeats({
    options,
    startedAt,
    local,
    link,
    addresses() {
      if (place === null) return [];
      const inMesh = mesh.addresses(place.host, link.port);
      return [...new Set([...inMesh, ...usableAddresses(place.host, link.port, networkInterfaces())])];
    },
    answered(answer) {
      leaderUrl = answer.url ?? leaderUrl;
      link.heard(answer);
      firstBeat.resolve();
    },
  });
  beats = telling;
  const ended = telling.ended.then((end): Promise<StartProblem> | StartProblem => {
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
    // The leader hears of it at once, and sends nothing new.
    telling.serveNothing();
    await link.inFlight.drain(AbortSignal.any([cut, AbortSignal.timeout(DRAIN_MS)]));
    await telling.stop();
    mesh.stop();
    await link.close();
    await clients.close();
    await endAgent(local, dataDir);
    control.value.close();
  };
  return ok({ ready, ended, stopAsked: stopAsked.promise, stop: (cut) => (stopped ??= stop(cut)) });
}

/** Whoever takes this machine for the leader hears where that is. A port that is taken is no reason not to work. */
function listenForClients({ config, log }: StartOptions, leaderUrl: () => string): { close(): Promise<void> } {
  const { values } = config;
  const address = parseListen(values.listen);
  const listening =
    address === null ? null : listen({ any: workerClientPort(leaderUrl), buffered: () => null }, address, values.tls);
  if (listening?.ok === true) return { close: () => listening.value.close(AbortSignal.abort()) };
  if (listening !== null) log.debug("clients cannot be told where the leader is", { why: listening.error.message });
  return { close: () => Promise.resolve() };
}

function readyBlock(options: StartOptions, { node }: NodeCredential, leaderUrl: string, port: number): string[] {
  const way =
    port === 0 ? "through its own connection to the leader" : `on port ${port}, or through its own connection`;
  return [
    `✔ this machine is a worker of the cluster at ${leaderUrl} (node ${node})`,
    `✔ the leader reaches it ${way}`,
    "",
    `  ${options.program} node ls   shows the cluster, from here too`,
  ];
}
