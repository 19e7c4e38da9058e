import { callAgent, fetchIdentity } from "./agent-client.ts";
import { readAgentRecord } from "./agent-record.ts";
import { isSameProcess, signalProcess } from "./process-identity.ts";
import { wait } from "../core/wait.ts";

/** Engines get 10 s to end before they are killed; the agent itself is quick. */
const DEADLINE_MS = 20_000;
/** One that is alive and well answers at once. */
const ASK_TIMEOUT_MS = 3_000;
const POLL_MS = 20;

/**
 * Stops the agent of a data directory and its engines when no leader is there to do it: a leader that was killed leaves
 * them running on purpose. An agent that does not answer is killed, and its engines are left. False: there was none.
 */
export async function shutDownAgent(dataDir: string, signal: AbortSignal): Promise<boolean> {
  const record = readAgentRecord(dataDir);
  const alive = (): boolean => record !== null && isSameProcess(record.pid, record.processStart);
  if (record === null || !alive()) return false;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
  const identity = await fetchIdentity(record.socket, AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]));
  if (signal.aborted) return true;
  if (identity?.instance !== record.instance) {
    signalProcess(record.pid, "SIGKILL");
    return true;
  }
  const call = { method: "POST", path: "/v1/shutdown", body: { engines: true } } as const;
  const answer = await callAgent(record.socket, call, limit);
  while (answer.ok && alive() && !limit.aborted) await wait(POLL_MS, limit);
  if (alive() && !signal.aborted) signalProcess(record.pid, "SIGKILL");
  return true;
}
