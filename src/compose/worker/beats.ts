import { LOCAL_NODE } from "../own-agent.ts";
import type { StartOptions } from "../start-options.ts";
import type { LocalLink } from "../../cluster/local-link.ts";
import { machineLoad } from "../../cluster/node-operations.ts";
import type { HeartbeatAnswer } from "../../cluster/node-protocol.ts";
import type { NodeState } from "../../core/node.ts";
import { HEARTBEAT_TIMES, type HeartbeatEnd, heartbeatLoop } from "../../worker/heartbeat-loop.ts";
import { machineId } from "../../worker/machine-id.ts";
import { registerAgain } from "../../worker/register-again.ts";
import type { WorkerLink } from "../../worker/worker-link.ts";

const ASK_MS = 3_000;

export interface WorkerBeatsParts {
  readonly options: StartOptions;
  readonly startedAt: number;
  readonly local: LocalLink;
  readonly link: WorkerLink;
  readonly addresses: () => readonly string[];
  readonly answered: (answer: HeartbeatAnswer) => void;
}

/** What a worker tells its leader, for as long as it runs. */
export interface WorkerBeats {
  /** The leader hears at once what there is now. */
  now(): void;
  /** From now on it hears that this machine serves nothing. */
  serveNothing(): void;
  /** Why the leader refuses this node for good; null after `stop`. */
  readonly ended: Promise<HeartbeatEnd | null>;
  stop(): Promise<void>;
}

export function workerBeats(parts: WorkerBeatsParts): WorkerBeats {
  const { local, link, addresses, answered } = parts;
  const { config, log, version } = parts.options;
  const over = new AbortController();
  let serves = true;
  let now: () => void = () => undefined;
  const about = () => {
    const inventory = local.state()?.inventory;
    if (inventory === undefined) return null;
    const machine = machineId(config.values.data_dir);
    const told = { ...inventory, gpus: [...inventory.gpus] };
    return { machine, version, addresses: [...addresses()], inventory: told };
  };
  const ended = heartbeatLoop(
    {
      calls: link.calls,
      version,
      epoch: parts.startedAt,
      state: () => (serves ? local.state() : withoutReplicas(local.state())),
      onChange(listener) {
        now = listener;
        return local.onChange(listener);
      },
      addresses,
      load: () => loadOf(local, link),
      utilisation: (signal) => utilisationOf(local, signal),
      answered,
      registerAgain: (signal) => registerAgain({ ...link, about }, signal),
      random: Math.random,
      log: (message) => log.warn(message),
      times: HEARTBEAT_TIMES,
    },
    over.signal,
  );
  return {
    now: () => now(),
    serveNothing() {
      serves = false;
      now();
    },
    ended,
    async stop() {
      over.abort();
      await ended;
    },
  };
}

function withoutReplicas(state: NodeState | null): NodeState | null {
  return state === null ? null : { ...state, replicas: [], version: state.version + 1 };
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
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]);
  const load = await local.call(LOCAL_NODE, machineLoad(), limit);
  if (!load.ok) return { cpu: null, gpu: null };
  const busy = load.value.gpus.flatMap(({ busy: share }) => (share === null ? [] : [share]));
  return { cpu: load.value.cpu, gpu: busy.length === 0 ? null : Math.max(...busy) };
}
