import type { MachineLoad } from "../core/machine-load.ts";
import {
  adapterAnswer,
  type AdapterBody,
  type AvailableModel,
  type CheckAnswer,
  checkAnswer,
  type CheckBody,
  loadAnswer,
  machineLoadAnswer,
  type LogsAnswer,
  logsAnswer,
  modelsAnswer,
  type ModelWish,
} from "./agent-protocol.ts";
import type { NodeOperation } from "./link.ts";
import {
  nodeProcess,
  type NodeProcess,
  processesAnswer,
  processLogsAnswer,
  type ProcessStart,
} from "./process-protocol.ts";

const CALL_TIMEOUT_MS = 10_000;
/** Longer than vLLM may take to read one. */
const ADAPT_TIMEOUT_MS = 130_000;
/** Longer than an engine may take for a health check and for telling its progress. */
const CHECK_TIMEOUT_MS = 15_000;
/** Longer than the grace that an engine gets between SIGTERM and SIGKILL. */
const SHUTDOWN_TIMEOUT_MS = 30_000;

/** Newest lines of an engine's log, oldest first, at most `MAX_LOG_LINES`; or those after a place in it. */
export function engineLogs(engineId: string, lines: number, after?: string): NodeOperation<LogsAnswer> {
  const place = after === undefined ? "" : `&after=${encodeURIComponent(after)}`;
  return {
    method: "GET",
    path: `/v1/engines/${encodeURIComponent(engineId)}/logs?lines=${lines}${place}`,
    timeoutMs: CALL_TIMEOUT_MS,
    read: (answer) => {
      const parsed = logsAnswer.safeParse(answer);
      return parsed.success ? { value: parsed.data } : null;
    },
  };
}

export type EngineAction = "start" | "stop" | "restart";

/** A start is answered when the agent has taken it up, a stop when the engine is gone; the node's state tells the rest. */
export function actOnEngine(engineId: string, action: EngineAction): NodeOperation<void> {
  return {
    method: "POST",
    path: `/v1/engines/${encodeURIComponent(engineId)}/${action}`,
    timeoutMs: action === "stop" ? SHUTDOWN_TIMEOUT_MS : CALL_TIMEOUT_MS,
    read: () => ({ value: undefined }),
  };
}

/** What the machine is doing at the moment; takes a fifth of a second. */
export function machineLoad(): NodeOperation<MachineLoad> {
  return {
    method: "GET",
    path: "/v1/load",
    timeoutMs: CALL_TIMEOUT_MS,
    read: (answer) => {
      const parsed = machineLoadAnswer.safeParse(answer);
      return parsed.success ? { value: parsed.data } : null;
    },
  };
}

/** Looks at the engine now; answered when it has said something, or has not in time. */
export function checkEngine(engineId: string, doubt: CheckBody): NodeOperation<CheckAnswer> {
  return {
    method: "POST",
    path: `/v1/engines/${encodeURIComponent(engineId)}/check`,
    body: doubt,
    timeoutMs: CHECK_TIMEOUT_MS,
    read: (answer) => {
      const parsed = checkAnswer.safeParse(answer);
      return parsed.success ? { value: parsed.data } : null;
    },
  };
}

/** Puts a LoRA adapter on an engine's model, or takes one off; the node's state tells when it serves. */
export function adaptEngine(engineId: string, change: AdapterBody): NodeOperation<{ readonly model: string }> {
  return {
    method: "POST",
    path: `/v1/engines/${encodeURIComponent(engineId)}/adapters`,
    body: change,
    timeoutMs: ADAPT_TIMEOUT_MS,
    read: (answer) => {
      const parsed = adapterAnswer.safeParse(answer);
      return parsed.success ? { value: parsed.data } : null;
    },
  };
}

/** The model files of a node, and which of them are loaded. */
export function availableModels(): NodeOperation<AvailableModel[]> {
  return {
    method: "GET",
    path: "/v1/models",
    timeoutMs: CALL_TIMEOUT_MS,
    read: (answer) => {
      const parsed = modelsAnswer.safeParse(answer);
      return parsed.success ? { value: parsed.data.models } : null;
    },
  };
}

/** Answered when the agent has taken it up, with the engine's id; the node's state tells when it is ready. */
export function loadModel(wish: ModelWish): NodeOperation<{ readonly engine: string; readonly model: string }> {
  return {
    method: "POST",
    path: "/v1/models/load",
    body: wish,
    timeoutMs: CALL_TIMEOUT_MS,
    read: (answer) => {
      const parsed = loadAnswer.safeParse(answer);
      return parsed.success ? { value: parsed.data } : null;
    },
  };
}

/** Answered when the model's engine is gone. */
export function unloadModel(id: string): NodeOperation<void> {
  return {
    method: "POST",
    path: "/v1/models/unload",
    body: { id },
    timeoutMs: SHUTDOWN_TIMEOUT_MS,
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

/** What runs on a node besides its engines. */
export function nodeProcesses(): NodeOperation<readonly NodeProcess[]> {
  return {
    method: "GET",
    path: "/v1/process",
    timeoutMs: CALL_TIMEOUT_MS,
    read: (answer) => {
      const parsed = processesAnswer.safeParse(answer);
      return parsed.success ? { value: parsed.data.processes } : null;
    },
  };
}

/** Answered when it listens, or says why it does not. */
export function startProcess(wish: ProcessStart): NodeOperation<NodeProcess> {
  return {
    method: "POST",
    path: "/v1/process/start",
    body: wish,
    timeoutMs: wish.readyTimeoutMs + CALL_TIMEOUT_MS,
    read: (answer) => {
      const parsed = nodeProcess.safeParse(answer);
      return parsed.success ? { value: parsed.data } : null;
    },
  };
}

/** Answered when it is gone. */
export function stopProcess(id: string): NodeOperation<void> {
  return {
    method: "POST",
    path: "/v1/process/stop",
    body: { id },
    timeoutMs: SHUTDOWN_TIMEOUT_MS,
    read: () => ({ value: undefined }),
  };
}

/** Newest lines that a process has written, oldest first; also of one that has ended. */
export function processLogs(id: string, lines: number): NodeOperation<readonly string[]> {
  return {
    method: "GET",
    path: `/v1/process/logs?id=${encodeURIComponent(id)}&lines=${lines}`,
    timeoutMs: CALL_TIMEOUT_MS,
    read: (answer) => {
      const parsed = processLogsAnswer.safeParse(answer);
      return parsed.success ? { value: parsed.data.lines } : null;
    },
  };
}
