import type { EngineKind, Replica } from "./replica.ts";

export interface Gpu {
  readonly vendor: "nvidia" | "amd" | "apple" | "intel" | "other";
  readonly name: string;
  /** Null where the driver does not say (unified memory, no tool installed). */
  readonly memoryBytes: number | null;
  readonly driver: string | null;
}

/** What one machine has. */
export interface Inventory {
  readonly hostname: string;
  /** `linux` or `darwin`. */
  readonly os: string;
  /** `x64` or `arm64`. */
  readonly arch: string;
  readonly cpuModel: string;
  readonly physicalCores: number;
  readonly logicalCores: number;
  /** What this process may use: the cgroup's limit where there is one. */
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  readonly gpus: readonly Gpu[];
}

export type ProcessState = "starting" | "ready" | "backoff" | "crashloop" | "stopping" | "stopped";

/** An engine on a node: a child that Flock started (`managed`) or one that a person did. */
export interface EngineStatus {
  readonly id: string;
  readonly kind: EngineKind;
  readonly managed: boolean;
  readonly state: ProcessState;
  /** Where the gateway of the same machine reaches it: `http://127.0.0.1:port`. */
  readonly endpoint: string;
  /** Sent as `Authorization: Bearer …`; "" for none. Never printed, never in the admin API. */
  readonly secret: string;
  readonly pid: number | null;
  readonly restarts: number;
  /** Why it is not ready, in one line, without secrets; null when it is. */
  readonly problem: string | null;
  /** What it is and why Flock uses it, e.g. `Ollama 0.33.0, found running`; absent: nothing to tell. */
  readonly note?: string;
  /** The command that starts it, for errors. */
  readonly start: string;
  /** Models it serves, or will serve when it is ready; empty where only a running engine can tell. */
  readonly models: readonly string[];
  /** Changes at each start, so that an answer of an earlier life is not taken for one of this. */
  readonly epoch: number;
}

/** All that an agent says of its node; the leader keeps the newest. */
export interface NodeState {
  readonly node: string;
  readonly inventory: Inventory;
  readonly engines: readonly EngineStatus[];
  readonly replicas: readonly Replica[];
  /** Which GPU the embedded engine uses; null: the CPU. */
  readonly embeddedGpu: string | null;
  /** What a person should mend on this node though it serves, one line each, with the command; no secrets. */
  readonly problems: readonly string[];
  /** Free-running number: a higher one is newer. */
  readonly version: number;
}
