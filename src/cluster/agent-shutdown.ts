import { callAgent } from "./agent-client.ts";
import { readAgentRecord } from "./agent-record.ts";
import { isAlive } from "./process-identity.ts";

const DEADLINE_MS = 30_000;

/**
 * Stops the agent of a data directory and its engines when no leader is there to do it: a leader that was killed leaves
 * them running on purpose. False: there was none.
 */
export async function shutDownAgent(dataDir: string, signal: AbortSignal): Promise<boolean> {
  const record = readAgentRecord(dataDir);
  if (record === null || !isAlive(record.pid)) return false;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
  const answer = await callAgent(
    record.socket,
    { method: "POST", path: "/v1/shutdown", body: { engines: true } },
    limit,
  );
  if (!answer.ok) return false;
  while (isAlive(record.pid) && !limit.aborted) await Bun.sleep(50);
  return true;
}
