import {
  type LlamaInstallBody,
  llamaVersionAnswer,
  type LlamaVersionsAnswer,
  llamaVersionsAnswer,
} from "./agent-protocol.ts";
import type { NodeOperation } from "./link.ts";

const CALL_TIMEOUT_MS = 10_000;

/** The releases of llama.cpp on a node, and how an install goes on. */
export function llamaVersions(): NodeOperation<LlamaVersionsAnswer> {
  return {
    method: "GET",
    path: "/v1/llama-versions",
    timeoutMs: CALL_TIMEOUT_MS,
    read: (answer) => {
      const parsed = llamaVersionsAnswer.safeParse(answer);
      return parsed.success ? { value: parsed.data } : null;
    },
  };
}

/** Answered when the agent has taken it up; one that runs already with the same wish is joined. */
export function installLlama(wish: LlamaInstallBody): NodeOperation<void> {
  return post("install", wish);
}

export function cancelLlamaInstall(): NodeOperation<void> {
  return post("cancel", {});
}

/** By tag, or by tag and variant. */
export function useLlama(version: string): NodeOperation<LlamaVersionsAnswer["versions"][number]> {
  return {
    ...post("use", { version }),
    read: (answer) => {
      const parsed = llamaVersionAnswer.safeParse(answer);
      return parsed.success ? { value: parsed.data } : null;
    },
  };
}

function post(action: string, body: object): NodeOperation<void> {
  return {
    method: "POST",
    path: `/v1/llama-versions/${action}`,
    body,
    timeoutMs: CALL_TIMEOUT_MS,
    read: () => ({ value: undefined }),
  };
}
