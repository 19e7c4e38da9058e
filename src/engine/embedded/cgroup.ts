import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** What a container or a service manager allows this process; null: no limit. */
export interface CgroupLimits {
  readonly memoryBytes: number | null;
  /** In use of `memoryBytes`, without what the kernel can give back at once. */
  readonly usedBytes: number | null;
  readonly cpus: number | null;
}

export type ReadText = (path: string) => string | null;

const ROOT = "/sys/fs/cgroup";
/** v1 writes "no limit" as a number near 2^63. */
const UNLIMITED_BYTES = 2 ** 60;

/** Looks from the own group up to the root, since every one above limits too; both versions of the interface. */
export function readCgroupLimits(read: ReadText = readText): CgroupLimits {
  const groups = parseGroups(read("/proc/self/cgroup") ?? "");
  const unified = groups.get("");
  const memory = groups.get("memory");
  const cpu = groups.get("cpu");
  let limits: CgroupLimits = { memoryBytes: null, usedBytes: null, cpus: null };
  if (unified !== undefined) {
    for (const folder of upwards(ROOT, unified)) limits = tighter(limits, readV2(folder, read));
  }
  if (memory !== undefined) {
    for (const folder of upwards(join(ROOT, "memory"), memory)) limits = tighter(limits, readV1Memory(folder, read));
  }
  if (cpu !== undefined) {
    for (const folder of upwards(join(ROOT, "cpu"), cpu)) limits = tighter(limits, readV1Cpu(folder, read));
  }
  return limits;
}

/** Controller -> path; the unified hierarchy has the controller "". */
function parseGroups(text: string): Map<string, string> {
  const groups = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    for (const controller of controllers.split(",")) groups.set(controller, path);
  }
  return groups;
}

/** In a container the path of `/proc/self/cgroup` may be the host's and not be there: then the root still counts. */
function upwards(root: string, path: string): string[] {
  const folders: string[] = [];
  let at = join("/", path);
  for (;;) {
    folders.push(join(root, at));
    if (at === "/") return folders;
    at = dirname(at);
  }
}

function readV2(folder: string, read: ReadText): CgroupLimits {
  const memoryBytes = toBytes(read(join(folder, "memory.max")));
  const [quota, period] = (read(join(folder, "cpu.max")) ?? "").trim().split(" ");
  return {
    memoryBytes,
    usedBytes: usedOf(memoryBytes, read(join(folder, "memory.current")), read(join(folder, "memory.stat"))),
    cpus: toCpus(quota, period),
  };
}

function readV1Memory(folder: string, read: ReadText): CgroupLimits {
  const memoryBytes = toBytes(read(join(folder, "memory.limit_in_bytes")));
  const usage = read(join(folder, "memory.usage_in_bytes"));
  return { memoryBytes, usedBytes: usedOf(memoryBytes, usage, read(join(folder, "memory.stat"))), cpus: null };
}

function readV1Cpu(folder: string, read: ReadText): CgroupLimits {
  const quota = read(join(folder, "cpu.cfs_quota_us"))?.trim();
  const period = read(join(folder, "cpu.cfs_period_us"))?.trim();
  return { memoryBytes: null, usedBytes: null, cpus: toCpus(quota, period) };
}

function tighter(a: CgroupLimits, b: CgroupLimits): CgroupLimits {
  const takeB = b.memoryBytes !== null && (a.memoryBytes === null || b.memoryBytes < a.memoryBytes);
  return {
    memoryBytes: takeB ? b.memoryBytes : a.memoryBytes,
    usedBytes: takeB ? b.usedBytes : a.usedBytes,
    cpus: a.cpus === null ? b.cpus : b.cpus === null ? a.cpus : Math.min(a.cpus, b.cpus),
  };
}

function toBytes(text: string | null): number | null {
  const bytes = text === null ? Number.NaN : Number.parseInt(text, 10);
  return Number.isFinite(bytes) && bytes > 0 && bytes < UNLIMITED_BYTES ? bytes : null;
}

function usedOf(limitBytes: number | null, usage: string | null, stat: string | null): number | null {
  if (limitBytes === null || usage === null) return null;
  const inactive = Number(/^(?:total_)?inactive_file (\d+)$/m.exec(stat ?? "")?.[1] ?? 0);
  return Math.max(0, Number.parseInt(usage, 10) - inactive);
}

function toCpus(quota: string | undefined, period: string | undefined): number | null {
  const cpus = Number(quota) / Number(period);
  return Number.isFinite(cpus) && cpus > 0 ? cpus : null;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
