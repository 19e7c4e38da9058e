import type { NodeOperation } from "./link.ts";

const CALL_TIMEOUT_MS = 10_000;
/** Longer than the grace that an engine gets between SIGTERM and SIGKILL. */
const SHUTDOWN_TIMEOUT_MS = 30_000;

/** Newest lines of an engine's log, oldest first; at most `MAX_LOG_LINES`. */
export function engineLogs(engineId: string, lines: number): NodeOperation<string[]> {
  return {
    method: "GET",
    path: `/v1/engines/${encodeURIComponent(engineId)}/logs?lines=${lines}`,
    timeoutMs: CALL_TIMEOUT_MS,
    read: (answer) =>
      typeof answer === "object" && answer !== null && "lines" in answer && Array.isArray(answer.lines)
        ? { value: answer.lines.map(String) }
        : null,
  };
}

/** Answered when the agent has taken it up; the node's state tells when the engine is back. */
export function restartEngine(engineId: string): NodeOperation<void> {
  return {
    method: "POST",
    path: `/v1/engines/${encodeURIComponent(engineId)}/restart`,
    timeoutMs: CALL_TIMEOUT_MS,
    read: () => ({ value: undefined }),
  };
}

/** Ends the agent; with `engines` its engines first, and the answer comes when they are gone. */
export function shutDownAgent(engines: boolean): NodeOperation<void> {
  return {
    method: "POST",
    path: "/v1/shutdown",
    body: { engines },
    timeoutMs: SHUTDOWN_TIMEOUT_MS,
    read: () => ({ value: undefined }),
  };
}
