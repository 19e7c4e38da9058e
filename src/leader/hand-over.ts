import { z } from "zod";
import { isAlive } from "../cluster/process-identity.ts";
import { wait } from "../core/wait.ts";
import { askLeader, leaderInfo } from "./control-client.ts";

/** What a leader tells its successor. */
export const handOver = z.object({
  /** Where it listens: a port that the system chose is taken over as it is. */
  port: z.number().int(),
  /** The newest state of each worker, so that the successor need not wait for their heartbeats. */
  nodes: z.array(z.object({ node: z.string(), life: z.number(), state: z.unknown() })),
  /** Processes that still give answers which they began: it, and those before it. */
  answering: z.array(z.number().int()).default([]),
});
export type HandOver = z.infer<typeof handOver>;

/** Longer than jobs and the settling thread may take to come to rest. */
const HAND_OVER_MS = 20_000;
const LOOK_MS = 50;

/** Asks the leader of the directory to make room. It goes on answering requests. Null: none is there, or it will not. */
export async function askToHandOver(dataDir: string, signal: AbortSignal): Promise<HandOver | null> {
  const path = `/v1/hand-over?successor=${process.pid}`;
  const answer = await askLeader(dataDir, "POST", path, signal, HAND_OVER_MS);
  const parsed = handOver.safeParse(answer);
  return parsed.success ? parsed.data : null;
}

/** Resolves when the successor serves requests (true), or when its process is gone or the signal fired (false). */
export async function untilSuccessor(dataDir: string, pid: number, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const info = await leaderInfo(dataDir, signal);
    if (info !== null && info.pid !== process.pid && info.serving) return true;
    if (!isAlive(pid)) return false;
    await wait(LOOK_MS, signal);
  }
  return false;
}
