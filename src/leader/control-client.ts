import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { socketPath } from "../cluster/socket-path.ts";
import { ok, type Result } from "../core/result.ts";
import { type LeaderInfo, parseLeaderInfo } from "./control-protocol.ts";

const DEADLINE_MS = 3_000;

/** Where the leader of a data directory is asked and stopped. The error is for a person. */
export function controlSocketPath(dataDir: string): Result<string, string> {
  return socketPath({ dataDir, name: "leader", temporaryDir: tmpdir(), uid: process.getuid?.() ?? 0 });
}

/** Asks the leader of a data directory what it is; null: none answers. */
export async function leaderInfo(dataDir: string, signal: AbortSignal): Promise<LeaderInfo | null> {
  const answer = await askLeader(dataDir, "GET", "/v1/info", signal);
  return answer === null ? null : parseLeaderInfo(answer);
}

/** Asks it to stop gracefully; answers when the request is taken, not when it is done. False: nobody is there. */
export async function askLeaderToStop(dataDir: string, signal: AbortSignal): Promise<boolean> {
  return (await askLeader(dataDir, "POST", "/v1/shutdown", signal)) !== null;
}

/** One exchange over the control socket; null: nobody is there, it refuses, or it takes too long. */
export async function askLeader(
  dataDir: string,
  method: string,
  path: string,
  signal: AbortSignal,
  deadlineMs = DEADLINE_MS,
): Promise<unknown> {
  const socket = recordedSocket(dataDir) ?? controlSocketPath(dataDir);
  // Most starts find none; the first `fetch` of a process costs a thread.
  if (!socket.ok || !existsSync(socket.value)) return null;
  try {
    const answer = await fetch(`http://leader${path}`, {
      method,
      unix: socket.value,
      keepalive: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]),
    });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** As the leader wrote it down: with another TMPDIR than the leader's, the path of a long directory comes out otherwise. */
function recordedSocket(dataDir: string): Result<string, string> | null {
  try {
    const value: unknown = JSON.parse(readFileSync(join(dataDir, "leader.json"), "utf8"));
    const socket = typeof value === "object" && value !== null && "socket" in value ? value.socket : null;
    return typeof socket === "string" ? ok(socket) : null;
  } catch {
    return null;
  }
}
