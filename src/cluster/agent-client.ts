import { err, ok, type Result } from "../core/result.ts";
import { type AgentIdentity, parseAgentIdentity } from "./agent-record.ts";

export interface AgentRefusal {
  /** Null: nothing answered. */
  readonly status: number | null;
  readonly message: string;
  readonly mend: string | null;
}

export interface AgentCall {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
}

/** One JSON exchange over the agent's socket. Never retried, never on a reused connection. */
export async function callAgent(
  socket: string,
  call: AgentCall,
  signal: AbortSignal,
): Promise<Result<unknown, AgentRefusal>> {
  try {
    const answer = await fetch(`http://agent${call.path}`, {
      unix: socket,
      method: call.method,
      signal,
      keepalive: false,
      // A shutdown takes as long as the engines do; the signal is the only limit.
      timeout: false,
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    });
    const body: unknown = await answer.json();
    return answer.ok ? ok(body) : err(toRefusal(answer.status, body));
  } catch (error) {
    return err({ status: null, message: error instanceof Error ? error.message : String(error), mend: null });
  }
}

/** Null: nobody answers there, or not like an agent. */
export async function fetchIdentity(socket: string, signal: AbortSignal): Promise<AgentIdentity | null> {
  const answer = await callAgent(socket, { method: "GET", path: "/v1/identity" }, signal);
  return answer.ok ? parseAgentIdentity(answer.value) : null;
}

/** The lines of an endless answer, until it ends, fails or the signal fires; it never throws. */
export async function* agentLines(
  socket: string,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  try {
    const answer = await fetch(`http://agent${path}`, { unix: socket, signal, keepalive: false, timeout: false });
    if (!answer.ok || answer.body === null) return;
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of answer.body) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_LINE_CHARS) return;
      yield* lines;
    }
  } catch {
    return;
  }
}

const MAX_LINE_CHARS = 4 * 1024 * 1024;

function toRefusal(status: number, body: unknown): AgentRefusal {
  if (typeof body === "object" && body !== null && "error" in body) {
    const error = body.error;
    if (typeof error === "object" && error !== null && "message" in error && typeof error.message === "string") {
      const mend = "mend" in error && typeof error.mend === "string" ? error.mend : null;
      return { status, message: error.message, mend };
    }
  }
  return { status, message: `the agent answered ${status}`, mend: null };
}
