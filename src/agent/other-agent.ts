import { fetchIdentity } from "../cluster/agent-client.ts";
import { readAgentRecord } from "../cluster/agent-record.ts";
import { wait } from "../core/wait.ts";

const ASK_TIMEOUT_MS = 2_000;
const LOOK_AGAIN_MS = 100;
const LOOKS = 50;

/** Why this directory's lock is not to be had, for a person; null after a pause: try again. */
export async function otherAgent(dataDir: string, attempt: number, signal: AbortSignal): Promise<string | null> {
  const record = readAgentRecord(dataDir);
  if (record !== null) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]);
    const identity = await fetchIdentity(record.socket, limit);
    if (identity !== null && identity.instance === record.instance) {
      return `an agent (pid ${identity.pid}) already serves ${dataDir}; to end it: flock down`;
    }
  }
  if (attempt >= LOOKS || signal.aborted) {
    const who = record === null ? "another process" : `the agent with pid ${record.pid}`;
    return `${who} holds ${dataDir} but does not answer; end it, then: flock up`;
  }
  await wait(LOOK_AGAIN_MS, signal);
  return null;
}
