import { controlSocketPath } from "./control-socket-path.ts";
import { type LeaderInfo, parseLeaderInfo } from "./control-protocol.ts";

const DEADLINE_MS = 3_000;

/** Asks the leader of a data directory what it is; null: none is running. */
export async function leaderInfo(dataDir: string, signal: AbortSignal): Promise<LeaderInfo | null> {
  try {
    const answer = await fetch("http://leader/v1/info", {
      unix: controlSocketPath(dataDir),
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    });
    return answer.ok ? parseLeaderInfo(await answer.json()) : null;
  } catch {
    return null;
  }
}

/** Asks it to stop gracefully; answers when the request is taken, not when it is done. False: nobody is there. */
export async function askLeaderToStop(dataDir: string, signal: AbortSignal): Promise<boolean> {
  try {
    const answer = await fetch("http://leader/v1/shutdown", {
      method: "POST",
      unix: controlSocketPath(dataDir),
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    });
    return answer.ok;
  } catch {
    return false;
  }
}
