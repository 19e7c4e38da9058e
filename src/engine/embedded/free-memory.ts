import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import { promisify } from "node:util";
import { readCgroupLimits } from "./cgroup.ts";

const TOOL_TIMEOUT_MS = 2_000;

/** What a new model may take without pushing others out. */
export async function readFreeMemory(signal: AbortSignal): Promise<number> {
  if (process.platform === "darwin") {
    const said = await promisify(execFile)("/usr/bin/vm_stat", { signal, timeout: TOOL_TIMEOUT_MS }).catch(() => null);
    return parseVmStat(said?.stdout ?? "") ?? freemem();
  }
  const machineBytes = parseMemAvailable(readText("/proc/meminfo")) ?? freemem();
  const { memoryBytes, usedBytes } = readCgroupLimits();
  if (memoryBytes === null || usedBytes === null) return machineBytes;
  return Math.max(0, Math.min(machineBytes, memoryBytes - usedBytes));
}

export function parseMemAvailable(meminfo: string): number | null {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}

/** `os.freemem` counts free pages alone on macOS; inactive and speculative ones are given up at once as well. */
export function parseVmStat(vmStat: string): number | null {
  const pageBytes = Number(/page size of (\d+) bytes/.exec(vmStat)?.[1] ?? Number.NaN);
  const pages = ["free", "inactive", "speculative", "purgeable"].map((kind) =>
    Number(new RegExp(`^Pages ${kind}:\\s+(\\d+)\\.?$`, "m").exec(vmStat)?.[1] ?? 0),
  );
  const bytes = pages.reduce((sum, count) => sum + count, 0) * pageBytes;
  return Number.isFinite(bytes) && bytes > 0 ? bytes : null;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
