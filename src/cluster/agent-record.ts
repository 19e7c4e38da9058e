import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A leader speaks to agents of this protocol only; an agent of another one is replaced. */
export const AGENT_PROTOCOL = 1;

/** `<dataDir>/agent.json`: where the agent of this directory is. A hint, never a proof: ask the socket. */
export interface AgentRecord {
  readonly pid: number;
  /** See `startToken`; null where the system does not tell. */
  readonly processStart: string | null;
  readonly socket: string;
  /** Random per start; the socket's answer must carry the same. */
  readonly instance: string;
  readonly protocol: number;
  /** Epoch ms. */
  readonly startedAt: number;
}

/** What the agent says of itself on `GET /v1/identity`. This answer stays readable in every later protocol. */
export interface AgentIdentity {
  readonly node: string;
  readonly pid: number;
  readonly instance: string;
  readonly protocol: number;
  readonly optionsHash: string;
}

export function agentRecordPath(dataDir: string): string {
  return join(dataDir, "agent.json");
}

export function agentLogPath(dataDir: string): string {
  return join(dataDir, "logs", "agent.log");
}

/** Null when there is none, or when it is not what an agent writes. */
export function readAgentRecord(dataDir: string): AgentRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(agentRecordPath(dataDir), "utf8"));
  } catch {
    return null;
  }
  if (!isObject(value)) return null;
  const { pid, processStart, socket, instance, protocol, startedAt } = value;
  if (typeof pid !== "number" || typeof socket !== "string" || typeof instance !== "string") return null;
  if (typeof protocol !== "number" || typeof startedAt !== "number") return null;
  return {
    pid,
    processStart: typeof processStart === "string" ? processStart : null,
    socket,
    instance,
    protocol,
    startedAt,
  };
}

export function parseAgentIdentity(value: unknown): AgentIdentity | null {
  if (!isObject(value)) return null;
  const { node, pid, instance, protocol, optionsHash } = value;
  if (typeof node !== "string" || typeof pid !== "number" || typeof instance !== "string") return null;
  if (typeof protocol !== "number" || typeof optionsHash !== "string") return null;
  return { node, pid, instance, protocol, optionsHash };
}

/** The same for equal options whatever the order of their keys: an agent with other options is replaced. */
export function hashOptions(options: unknown): string {
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(options, sortKeys)).digest("hex");
}

function sortKeys(_key: string, value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
