import { able, testReplica } from "../../core/test-replica.ts";
import type { NodeState } from "../../core/node.ts";
import type { Replica } from "../../core/replica.ts";
import type { NodeRecord } from "./node-entry.ts";
import { type Beat, type BeatAnswer, NodeRegistry } from "./node-registry.ts";

/** For tests: a clock that only the test moves. */
export class HeldClock {
  ms = 1_000_000;
  now(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
}

export function replicaOf(node: string, model: string): Replica {
  return testReplica({
    node,
    engine: "embedded",
    model,
    contextTokens: 2048,
    slots: 2,
    abilities: able("chat", "tools"),
  });
}

export function stateOf(node: string, models: readonly string[], version = 1): NodeState {
  return {
    node,
    inventory: {
      hostname: `host-${node}`,
      os: "linux",
      arch: "x64",
      cpuModel: "A CPU",
      physicalCores: 8,
      logicalCores: 16,
      memoryBytes: 64 * 1024 ** 3,
      freeMemoryBytes: 32 * 1024 ** 3,
      gpus: [],
    },
    engines: [
      {
        id: "embedded",
        kind: "embedded",
        managed: true,
        state: "ready",
        endpoint: "http://127.0.0.1:1",
        secret: "s3cret",
        pid: 1,
        restarts: 0,
        problem: null,
        start: "flock up",
        models,
        epoch: 1,
      },
    ],
    replicas: models.map((model) => replicaOf(node, model)),
    embeddedGpu: null,
    problems: [],
    version,
  };
}

export function recordOf(id: string, over: Partial<NodeRecord> = {}): NodeRecord {
  return { id, name: `host-${id}`, joinedAt: 1, lastSeenAt: null, drainedAt: null, ...over };
}

export function beatOf(
  state: Beat["state"],
  load: Readonly<Record<string, number>> = {},
  life = 1,
  sequence = 1,
): Beat {
  return { state, load: new Map(Object.entries(load)), utilisation: { cpu: null, gpu: null }, life, sequence };
}

/** A beat that is taken. */
export function beatOnce(registry: NodeRegistry, id: string, beat: Beat): BeatAnswer {
  const answer = registry.beat(id, beat);
  if (!answer.ok) throw new Error(answer.error);
  return answer.value;
}

export interface RegistryRig {
  readonly clock: HeldClock;
  readonly registry: NodeRegistry;
  /** The newest that each node may be routed to, by model; null after it was taken out. */
  readonly routes: Map<string, readonly string[] | null>;
  readonly told: (node: string) => NodeState | null | undefined;
  /** How often routing was told something. */
  readonly published: () => number;
}

export function registryRig(): RegistryRig {
  const clock = new HeldClock();
  const routes = new Map<string, readonly string[] | null>();
  const states = new Map<string, NodeState | null>();
  let published = 0;
  const registry = new NodeRegistry({
    clock,
    log: () => undefined,
    publish(node, state) {
      published += 1;
      states.set(node, state);
      routes.set(node, state === null ? null : state.replicas.map(({ model }) => model));
    },
  });
  return { clock, registry, routes, told: (node) => states.get(node), published: () => published };
}
