import { existsSync } from "node:fs";
import { EngineRecords } from "../agent/engine-record.ts";
import { endStrays } from "../agent/stray-engines.ts";
import { SUPERVISOR_TIMES } from "../agent/supervisor-times.ts";
import { shutDownAgent } from "../cluster/agent-shutdown.ts";
import { takeDirectoryLock } from "../cluster/directory-lock.ts";
import { wait } from "../core/wait.ts";

const LOCK_WAIT_MS = 3_000;
const POLL_MS = 20;

/**
 * Ends what a leader that was killed left behind: its agent, and engines whose agent is gone too. False: there was
 * nothing.
 */
export async function endLeftovers(dataDir: string, signal: AbortSignal): Promise<boolean> {
  if (!existsSync(dataDir)) return false;
  const hadAgent = await shutDownAgent(dataDir, signal);
  return (await endOrphanEngines(dataDir, signal)) || hadAgent;
}

/** Under the agents' lock, so that no agent that starts now takes over an engine that is being ended. */
async function endOrphanEngines(dataDir: string, signal: AbortSignal): Promise<boolean> {
  const records = new EngineRecords(dataDir);
  if (records.ids().length === 0) return false;
  const deadline = performance.now() + LOCK_WAIT_MS;
  let lock = takeDirectoryLock(dataDir, "agent");
  while (lock === null && performance.now() < deadline && !signal.aborted) {
    await wait(POLL_MS, signal);
    lock = takeDirectoryLock(dataDir, "agent");
  }
  if (lock === null) return false;
  try {
    const had = records.ids().length > 0;
    await endStrays(records, [], SUPERVISOR_TIMES);
    return had;
  } finally {
    lock.release();
  }
}
