/** What a running leader says of itself on its control socket. */
export interface LeaderInfo {
  readonly pid: number;
  readonly version: string;
  /** Base URL that a client on this machine uses. */
  readonly url: string;
  /** Epoch ms. */
  readonly startedAt: number;
  /** The start is over: requests can be answered, or `problem` says why not. */
  readonly ready: boolean;
  /** The lines of the ready block; empty until `ready`. */
  readonly readyBlock: readonly string[];
  /** Why requests cannot be answered though the start is over, in one line; null when they can, or it is not. */
  readonly problem: string | null;
  /** Requests are answered: a leader that makes room for this one may stop listening. */
  readonly serving: boolean;
  /** The leader is on its way out. */
  readonly stopping: boolean;
}

export function parseLeaderInfo(value: unknown): LeaderInfo | null {
  if (typeof value !== "object" || value === null) return null;
  const { pid, version, url, startedAt, ready, readyBlock, problem, stopping } = value as Record<string, unknown>;
  if (typeof pid !== "number" || typeof version !== "string" || typeof url !== "string") return null;
  if (typeof startedAt !== "number" || typeof ready !== "boolean" || typeof stopping !== "boolean") return null;
  if (!Array.isArray(readyBlock)) return null;
  const serving = (value as Record<string, unknown>)["serving"] === true;
  const why = typeof problem === "string" ? problem : null;
  return { pid, version, url, startedAt, ready, readyBlock: readyBlock.map(String), problem: why, serving, stopping };
}
