import { readFileSync } from "node:fs";
import { availableParallelism, cpus, hostname, totalmem } from "node:os";
import type { Inventory } from "../core/node.ts";
import { readCgroupLimits } from "../engine/embedded/cgroup.ts";
import { readFreeMemory } from "../engine/embedded/free-memory.ts";
import { askProgram } from "./ask-program.ts";
import { readGpus } from "./gpus.ts";

const TOOL_TIMEOUT_MS = 2_000;

/** What this machine has; free memory as of now. Takes up to 3 s where a GPU driver sleeps. */
export async function readInventory(signal: AbortSignal): Promise<Inventory> {
  const logical = cpus();
  const [physicalCores, gpus, freeMemoryBytes] = await Promise.all([
    readPhysicalCores(signal),
    readGpus(signal),
    readFreeMemory(signal),
  ]);
  const limitBytes = readCgroupLimits().memoryBytes;
  return {
    hostname: hostname(),
    os: process.platform,
    arch: process.arch,
    cpuModel: logical[0]?.model.trim() || "unknown",
    physicalCores,
    logicalCores: logical.length || physicalCores,
    memoryBytes: limitBytes === null ? totalmem() : Math.min(limitBytes, totalmem()),
    freeMemoryBytes,
    gpus,
  };
}

export async function readPhysicalCores(signal: AbortSignal): Promise<number> {
  const logical = cpus().length || 1;
  if (process.platform === "darwin") {
    const said = await askProgram(["/usr/sbin/sysctl", "-n", "hw.physicalcpu"], TOOL_TIMEOUT_MS, signal);
    return Number.parseInt(said ?? "", 10) || logical;
  }
  return countPhysicalCores(readText("/proc/cpuinfo")) ?? logical;
}

/**
 * Threads for inference when none are configured: one physical core is left to the rest. More threads than the process
 * may really use spin at barriers and make it hundreds of times slower, so CPU quotas and pinning count too.
 */
export function defaultThreads(
  physicalCores: number,
  cpuQuota: number | null,
  usableCpus = availableParallelism(),
): number {
  const cores = Math.min(physicalCores, usableCpus, cpuQuota === null ? physicalCores : Math.floor(cpuQuota));
  return Math.max(1, cores - 1);
}

/** Different (socket, core) pairs; null where the kernel does not tell (most ARM boards, where there is one thread a core). */
export function countPhysicalCores(cpuinfo: string): number | null {
  const cores = new Set<string>();
  let socket = "0";
  for (const line of cpuinfo.split("\n")) {
    const [name, value] = line.split(":").map((part) => part.trim());
    if (name === "physical id" && value !== undefined) socket = value;
    if (name === "core id" && value !== undefined) cores.add(`${socket}/${value}`);
  }
  return cores.size > 0 ? cores.size : null;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
