import { isSameProcess, signalProcess } from "../cluster/process-identity.ts";
import { wait } from "../core/wait.ts";

/** How a child ended. Both null: it was not ours to wait for (taken over from an earlier agent). */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A running engine process, spawned here or by an agent before this one. It leads its own process group. */
export interface Child {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** SIGTERM, then SIGKILL to the whole group when it is not gone after the grace. Ends when it is gone. */
  terminate(graceMs: number): Promise<void>;
  /** Stop looking; the process goes on. `exited` never resolves then. */
  release(): void;
}

export interface Spawn {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Open for writing; stays the caller's to close. */
  readonly logFd: number;
}

/** Throws what the system says when it cannot be started (no such file, not permitted). */
export function spawnChild(spawn: Spawn): Child {
  const process = Bun.spawn([spawn.command, ...spawn.args], {
    // A group of its own: a Ctrl-C meant for Flock does not reach it, it outlives this agent, and what it starts itself
    // can be ended with it.
    detached: true,
    cwd: spawn.cwd,
    env: spawn.env,
    stdin: "ignore",
    stdout: spawn.logFd,
    stderr: spawn.logFd,
  });
  process.unref();
  let released = false;
  const exited = new Promise<Exit>((resolve, reject) => {
    process.exited.then((code) => {
      if (released) return;
      endGroup(process.pid);
      resolve({
        code: process.signalCode === null ? code : null,
        signal: process.signalCode === null ? null : String(process.signalCode),
      });
    }, reject);
  });
  return {
    pid: process.pid,
    exited,
    terminate: (graceMs) => terminate(process.pid, exited, graceMs),
    release: () => {
      released = true;
    },
  };
}

/** Takes over a process that another agent spawned. Its end can only be noticed by looking, every `pollMs`. */
export function adoptChild(pid: number, token: string, pollMs: number): Child {
  const released = new AbortController();
  const exited = new Promise<Exit>((resolve, reject) => {
    const look = async () => {
      while (isSameProcess(pid, token)) {
        await wait(pollMs, released.signal);
        if (released.signal.aborted) return;
      }
      endGroup(pid);
      resolve({ code: null, signal: null });
    };
    look().catch(reject);
  });
  return {
    pid,
    exited,
    terminate: (graceMs) => terminate(pid, exited, graceMs),
    release: () => released.abort(),
  };
}

async function terminate(pid: number, exited: Promise<Exit>, graceMs: number): Promise<void> {
  const gone = new AbortController();
  const noticed = exited.then(() => gone.abort());
  // Gives an end that was noticed already its turn: the number of a reaped process may be another's by now.
  await wait(0, gone.signal);
  if (gone.signal.aborted) return;
  signalProcess(pid, "SIGTERM");
  await wait(graceMs, gone.signal);
  if (!gone.signal.aborted) endGroup(pid);
  await noticed;
}

/** The group's number cannot belong to others while a member lives; with no member the signal reaches nobody. */
function endGroup(pid: number): void {
  signalProcess(-pid, "SIGKILL");
}
