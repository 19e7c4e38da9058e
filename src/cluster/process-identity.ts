import { readFileSync } from "node:fs";
import { codeOf } from "../core/error-code.ts";

/**
 * Tells one process from a later one that got the same number. A pid alone is not enough to kill by: between two reads
 * of a state file the kernel may have given it to something that is not ours.
 */
export function startToken(pid: number): string | null {
  if (process.platform === "linux") {
    const fields = linuxStat(pid);
    // Field 22 of proc(5): clock ticks after boot at which the process started. Fields here begin at the 3rd.
    return fields?.[19] ?? null;
  }
  const asked = Bun.spawnSync(["ps", "-o", "lstart=", "-p", String(pid)], { stdin: "ignore", timeout: 2_000 });
  const text = asked.stdout.toString().trim();
  return asked.exitCode === 0 && text !== "" ? text : null;
}

/** False for a zombie too: an orphan that nobody reaps answers `kill 0` for ever (containers without an init). */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 1) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
  if (process.platform !== "linux") return true;
  const state = linuxStat(pid)?.[0];
  return state !== undefined && state !== "Z" && state !== "X";
}

export function isSameProcess(pid: number, token: string | null): boolean {
  return token !== null && isAlive(pid) && startToken(pid) === token;
}

/** Signals the process, or with a negative pid its group. False: nothing was there to receive it. */
export function signalProcess(pid: number, signal: "SIGTERM" | "SIGKILL"): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Fields after the command's name, which may itself hold spaces and brackets. */
function linuxStat(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}
