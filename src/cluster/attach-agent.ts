import { readFileSync } from "node:fs";
import { err, ok, type Result } from "../core/result.ts";
import { callAgent, fetchIdentity } from "./agent-client.ts";
import { AGENT_PROTOCOL, agentLogPath, type AgentIdentity, type AgentRecord, readAgentRecord } from "./agent-record.ts";
import type { LinkFailure } from "./link.ts";
import { isAlive, isSameProcess, signalProcess } from "./process-identity.ts";
import type { AgentProcess } from "./spawn-agent.ts";
import { wait } from "../core/wait.ts";

export interface AttachTimes {
  /** From spawn to the first answer. */
  readonly startDeadlineMs: number;
  readonly askTimeoutMs: number;
  /** How long a living agent may stay silent before it is ended. */
  readonly silentMs: number;
  /** How long one that was told to end may take. */
  readonly leaveMs: number;
  readonly pollMs: number;
}

export const ATTACH_TIMES: AttachTimes = {
  startDeadlineMs: 10_000,
  askTimeoutMs: 2_000,
  silentMs: 6_000,
  leaveMs: 8_000,
  pollMs: 20,
};

export interface AttachParts {
  readonly dataDir: string;
  readonly optionsHash: string;
  readonly spawnAgent: () => AgentProcess;
  readonly times: AttachTimes;
}

/** Where the agent answered, as the one that it says it is. */
export interface Attachment {
  readonly socket: string;
  readonly identity: AgentIdentity;
}

/** Finds the living agent with these options, or ends another one and starts its own. */
export async function attachAgent(parts: AttachParts, signal: AbortSignal): Promise<Result<Attachment, LinkFailure>> {
  const record = readAgentRecord(parts.dataDir);
  if (record !== null) {
    const identity = await askLiving(record, parts.times, signal);
    if (signal.aborted) return err(cancelled());
    if (identity !== null && fits(identity, parts)) return ok({ socket: record.socket, identity });
    await replace(record, identity, parts.times, signal);
    if (signal.aborted) return err(cancelled());
  }
  return await start(parts, signal);
}

/** Null when it is gone. One that lives but stays silent (hung, or still binding its socket) gets some time. */
async function askLiving(record: AgentRecord, times: AttachTimes, signal: AbortSignal): Promise<AgentIdentity | null> {
  const deadline = performance.now() + times.silentMs;
  do {
    const identity = await ask(record.socket, times, signal);
    if (identity?.instance === record.instance) return identity;
    if (!isSameProcess(record.pid, record.processStart)) return null;
    await wait(times.pollMs, signal);
  } while (performance.now() < deadline && !signal.aborted);
  return null;
}

/** Its engines run on: the next agent takes over those that fit its options and ends the others. */
async function replace(
  record: AgentRecord,
  identity: AgentIdentity | null,
  times: AttachTimes,
  signal: AbortSignal,
): Promise<void> {
  const ours = () => isSameProcess(record.pid, record.processStart);
  if (identity !== null) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(times.leaveMs)]);
    await callAgent(record.socket, { method: "POST", path: "/v1/shutdown", body: { engines: false } }, limit);
    if (await until(() => !ours(), times, signal)) return;
  }
  // An agent holds nothing that its death could damage: engines and files survive it.
  if (ours()) signalProcess(record.pid, "SIGKILL");
  await until(() => !ours(), times, signal);
}

async function start(parts: AttachParts, signal: AbortSignal): Promise<Result<Attachment, LinkFailure>> {
  const { times } = parts;
  const log = agentLogPath(parts.dataDir);
  let child: AgentProcess;
  try {
    child = parts.spawnAgent();
  } catch (error) {
    return err(unreachable(`the agent cannot be started: ${error instanceof Error ? error.message : String(error)}`));
  }
  const ended: { code?: number } = {};
  void child.exited.then((code) => {
    ended.code = code;
  });
  const deadline = performance.now() + times.startDeadlineMs;
  while (performance.now() < deadline) {
    if (signal.aborted) {
      // Nobody else knows of it yet: it would stay behind.
      signalProcess(child.pid, "SIGTERM");
      if (!(await within(child.exited, times.leaveMs))) signalProcess(child.pid, "SIGKILL");
      return err(cancelled());
    }
    const record = readAgentRecord(parts.dataDir);
    const identity = record === null ? null : await ask(record.socket, times, signal);
    // Not necessarily the one that was spawned here: another start of the same leader may have been quicker.
    if (record !== null && identity?.instance === record.instance && fits(identity, parts)) {
      return ok({ socket: record.socket, identity });
    }
    if (ended.code !== undefined)
      return err(unreachable(`the agent ended with exit code ${ended.code}${lastLine(log)}; its log: ${log}`));
    await wait(times.pollMs, signal);
  }
  // One that cannot be reached is of no use, and in the way of the next.
  if (isAlive(child.pid)) signalProcess(child.pid, "SIGKILL");
  return err(
    unreachable(`the agent did not answer within ${Math.round(times.startDeadlineMs / 1_000)} s; its log: ${log}`),
  );
}

function fits(identity: AgentIdentity, parts: AttachParts): boolean {
  return identity.protocol === AGENT_PROTOCOL && identity.optionsHash === parts.optionsHash;
}

async function ask(socket: string, times: AttachTimes, signal: AbortSignal): Promise<AgentIdentity | null> {
  return await fetchIdentity(socket, AbortSignal.any([signal, AbortSignal.timeout(times.askTimeoutMs)]));
}

async function within(end: Promise<unknown>, limitMs: number): Promise<boolean> {
  const limit = new AbortController();
  const ended = await Promise.race([end.then(() => true), wait(limitMs, limit.signal).then(() => false)]);
  limit.abort();
  return ended;
}

async function until(is: () => boolean, times: AttachTimes, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + times.leaveMs;
  while (!is()) {
    if (performance.now() >= deadline || signal.aborted) return false;
    await wait(times.pollMs, signal);
  }
  return true;
}

function lastLine(path: string): string {
  try {
    const line = readFileSync(path, "utf8").trimEnd().split("\n").at(-1)?.trim().slice(0, 400);
    return line ? ` (${line})` : "";
  } catch {
    return "";
  }
}

export function unreachable(message: string): LinkFailure {
  return { kind: "node_unreachable", message, mend: "flock down && flock up" };
}

export function cancelled(): LinkFailure {
  return { kind: "cancelled", message: "cancelled", mend: "" };
}
