import { closeSync, mkdirSync, openSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { agentLogPath } from "./agent-record.ts";

const ROTATE_OVER_BYTES = 10 * 1024 * 1024;

/** A process that was just started as an agent. */
export interface AgentProcess {
  readonly pid: number;
  readonly exited: Promise<number>;
}

export interface SpawnAgent {
  /** Executable first: what makes this executable an agent. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly dataDir: string;
  /** Written to its standard input as JSON; it holds secrets, so never to its command line. */
  readonly options: unknown;
}

/** Starts an agent that outlives this process, with its output in `<dataDir>/logs/agent.log`. */
export function spawnAgent(spawn: SpawnAgent): AgentProcess {
  const path = agentLogPath(spawn.dataDir);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > ROTATE_OVER_BYTES) renameSync(path, `${path}.1`);
  const log = openSync(path, "a", 0o600);
  try {
    const child = Bun.spawn([...spawn.command], {
      detached: true,
      cwd: spawn.dataDir,
      env: spawn.env,
      stdin: new Blob([JSON.stringify(spawn.options)]),
      stdout: log,
      stderr: log,
    });
    child.unref();
    return { pid: child.pid, exited: child.exited };
  } finally {
    closeSync(log);
  }
}
