import { tmpdir } from "node:os";
import { rmSync } from "node:fs";
import { AGENT_PROTOCOL, type AgentIdentity, agentRecordPath } from "../cluster/agent-record.ts";
import { type DirectoryLock, takeDirectoryLock } from "../cluster/directory-lock.ts";
import { startToken } from "../cluster/process-identity.ts";
import { socketPath } from "../cluster/socket-path.ts";
import type { Clock } from "../core/clock.ts";
import type { Inventory, NodeState } from "../core/node.ts";
import { err, ok, type Result } from "../core/result.ts";
import { serveAgent } from "./agent-server.ts";
import { writePrivateFile } from "../core/private-file.ts";
import { aborted } from "../core/wait.ts";
import type { EngineSource } from "./engine-source.ts";
import { readFreeMemory } from "../engine/embedded/free-memory.ts";
import type { LlamaInstalls } from "./install/llama-installs.ts";
import type { LoadedModels } from "./loaded-models.ts";
import { LoadMeter } from "./machine-load.ts";
import { NodeProcesses, type NodeProcessesParts } from "./node-processes.ts";
import { otherAgent } from "./other-agent.ts";
import type { ModelPlaces } from "./sourced-model.ts";
import { StateHub } from "./state-hub.ts";

/** What an agent runs with; joined in `agent-process.ts`, and by tests with engines of their own. */
export interface AgentParts {
  readonly dataDir: string;
  readonly node: string;
  readonly optionsHash: string;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  readonly readInventory: (signal: AbortSignal) => Promise<Inventory>;
  /** Called once this agent is the only one: what to look after, not yet started. */
  readonly engines: (onChange: () => void, signal: AbortSignal) => Promise<EngineSetup>;
  /** Where files of models and adapters are looked for; absent: nowhere. */
  readonly places?: ModelPlaces;
  /** Installs programs of engines; absent: this agent does not. */
  readonly installs?: LlamaInstalls;
  /** What the leader may have started here besides engines. */
  readonly programs: Omit<NodeProcessesParts, "dataDir">;
  /** Called when the socket answers. */
  readonly onListening?: () => void;
}

export interface EngineSetup {
  /** Changes as models are loaded and unloaded. */
  readonly sources: readonly EngineSource[];
  /** Null: no engine here loads models. */
  readonly models: LoadedModels | null;
  /** See `NodeState.problems`. */
  readonly problems: readonly string[];
  /** Starts all of them; called once. */
  readonly start: () => void;
}

/**
 * Runs until the signal fires (the engines run on, for the next agent) or a `/v1/shutdown` has been answered. The error
 * is for a person: this directory has an agent already, or no socket can be made.
 */
export async function serveNode(parts: AgentParts, signal: AbortSignal): Promise<Result<void, string>> {
  const lock = await lockDirectory(parts.dataDir, signal);
  if (!lock.ok) return lock;
  try {
    return await serveLocked(parts, signal);
  } finally {
    lock.value.release();
  }
}

/** A lock that nobody answers for is an agent on its way out (or not yet listening): it gets a moment. */
async function lockDirectory(dataDir: string, signal: AbortSignal): Promise<Result<DirectoryLock, string>> {
  for (let attempt = 0; ; attempt++) {
    const lock = takeDirectoryLock(dataDir, "agent");
    if (lock !== null) return ok(lock);
    const refusal = await otherAgent(dataDir, attempt, signal);
    if (refusal !== null) return err(refusal);
  }
}

async function serveLocked(parts: AgentParts, signal: AbortSignal): Promise<Result<void, string>> {
  const socket = socketPath({
    dataDir: parts.dataDir,
    name: "agent",
    temporaryDir: tmpdir(),
    uid: process.getuid?.() ?? 0,
  });
  if (!socket.ok) return socket;
  const stopping = new AbortController();
  const over = AbortSignal.any([signal, stopping.signal]);
  const hub = new StateHub(parts.clock.now());
  const setup = await parts.engines(() => hub.changed(), over);
  // Engines load while slow GPU tools are still being asked.
  setup.start();
  const inventory = await parts.readInventory(over);
  const meter = new LoadMeter(inventory);
  const identity: AgentIdentity = {
    node: parts.node,
    pid: process.pid,
    instance: crypto.randomUUID(),
    protocol: AGENT_PROTOCOL,
    optionsHash: parts.optionsHash,
  };
  const state = async (): Promise<NodeState> => {
    const freeMemoryBytes = await readFreeMemory(over);
    return {
      node: parts.node,
      inventory: { ...inventory, freeMemoryBytes },
      engines: setup.sources.map((source) => source.status()),
      replicas: setup.sources.flatMap((source) => source.replicas()),
      embeddedGpu: setup.sources.find((source) => source.status().kind === "embedded")?.gpu() ?? null,
      problems: [...setup.problems, ...setup.sources.map((source) => source.advice?.() ?? null)].filter(
        (problem) => problem !== null,
      ),
      version: hub.version,
    };
  };
  const processes = new NodeProcesses({ dataDir: parts.dataDir, ...parts.programs });
  const server = serveAgent({
    socket: socket.value,
    identity,
    hub,
    state,
    load: (asker) => meter.read(asker),
    sources: setup.sources,
    models: setup.models,
    installs: parts.installs ?? null,
    processes,
    places: parts.places ?? { modelsDir: parts.dataDir, home: parts.dataDir, hubCache: "" },
    heartbeatMs: parts.heartbeatMs,
    over,
    stop: () => stopping.abort(),
  });
  const recordPath = agentRecordPath(parts.dataDir);
  try {
    const { pid, instance, protocol } = identity;
    const startedAt = parts.clock.now();
    const record = { pid, processStart: startToken(pid), socket: socket.value, instance, protocol, startedAt };
    writePrivateFile(recordPath, JSON.stringify(record));
    parts.onListening?.();
    await aborted(over);
  } finally {
    // First the record and the socket, so that nobody finds an agent that is on its way out.
    rmSync(recordPath, { force: true });
    processes.release();
    await Promise.all(setup.sources.map((source) => source.release()));
    await server.stop();
  }
  return ok(undefined);
}
