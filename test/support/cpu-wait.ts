import { readFileSync } from "node:fs";

/**
 * How long these processes' main threads have waited for a CPU so far, in ms. What a promise says of time it says of a
 * machine that has time: where tests run side by side, this is what the machine owes. 0 where the system does not tell.
 */
export function waitedForCpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + waited(pid), 0);
}

function waited(pid: number): number {
  try {
    const [, nanoseconds = "0"] = readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ");
    return Number(nanoseconds) / 1e6;
  } catch {
    return 0;
  }
}
