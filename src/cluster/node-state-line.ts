import type { EngineStatus, Inventory, NodeState } from "../core/node.ts";
import type { Replica } from "../core/replica.ts";

/**
 * Reads one line of the watch stream. Written by hand, without a schema library: the leader does this for every change
 * and every heartbeat of every node. Null: not a node's state.
 */
export function parseNodeState(line: string): NodeState | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  return isNodeState(value) ? value : null;
}

export function isNodeState(value: unknown): value is NodeState {
  return (
    has(value, { node: "string", version: "number" }) &&
    isInventory(value.inventory) &&
    Array.isArray(value.engines) &&
    value.engines.every(isEngine) &&
    Array.isArray(value.replicas) &&
    value.replicas.every(isReplica) &&
    Array.isArray(value.problems) &&
    value.problems.every((problem) => typeof problem === "string") &&
    (value.embeddedGpu === null || typeof value.embeddedGpu === "string")
  );
}

export function isInventory(value: unknown): value is Inventory {
  return (
    has(value, {
      hostname: "string",
      os: "string",
      arch: "string",
      cpuModel: "string",
      physicalCores: "number",
      logicalCores: "number",
      memoryBytes: "number",
      freeMemoryBytes: "number",
    }) &&
    Array.isArray(value.gpus) &&
    value.gpus.every((gpu) => has(gpu, { vendor: "string", name: "string" }))
  );
}

function isEngine(value: unknown): value is EngineStatus {
  return (
    has(value, {
      id: "string",
      kind: "string",
      managed: "boolean",
      state: "string",
      endpoint: "string",
      secret: "string",
      restarts: "number",
      start: "string",
      epoch: "number",
    }) &&
    (value.pid === null || typeof value.pid === "number") &&
    Array.isArray(value.models) &&
    value.models.every((model) => typeof model === "string") &&
    (value.problem === null || typeof value.problem === "string")
  );
}

function isReplica(value: unknown): value is Replica {
  return (
    has(value, {
      id: "string",
      node: "string",
      engine: "string",
      engineId: "string",
      model: "string",
      engineModel: "string",
      contextTokens: "number",
      slots: "number",
      smokeTest: "boolean",
    }) &&
    has(value.abilities, {
      chat: "boolean",
      embeddings: "boolean",
      rerank: "boolean",
      tools: "boolean",
      images: "boolean",
      audio: "boolean",
      thinking: "boolean",
    })
  );
}

type Fields = Readonly<Record<string, "string" | "number" | "boolean">>;

/** Only the fields named are known to be there; the caller looks at the rest, which is why they are `unknown`. */
function has(value: unknown, fields: Fields): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  for (const name in fields) if (typeof Reflect.get(value, name) !== fields[name]) return false;
  return true;
}
