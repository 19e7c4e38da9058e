import type { Failure } from "../../core/failure.ts";
import type { Replica } from "../../core/replica.ts";
import { MLX_START } from "./manage.ts";

const MAX_CAUSE_CHARACTERS = 300;

/** What a non-2xx answer of mlx_lm.server means: `{"error":"text"}`, or plain text for a path that it does not know. */
export function readMlxError(status: number, body: string, replica: Replica): Failure {
  const text = textOf(body);
  // It says 404 to whatever goes wrong while it reads the messages.
  if (text.startsWith("Only 'text' content")) {
    return { kind: "unsupported", capability: "images", endpoint: false, message: text };
  }
  // 404 is also what it says when a model could not be loaded: with the model that it serves, that is its own trouble.
  if (status === 404) return failed(`it cannot load ${replica.model}: ${text || "not found"}`, MLX_START);
  if (status === 400) return { kind: "invalid_request", field: null, message: text };
  return failed(text || `it answered with status ${status}`);
}

function textOf(body: string): string {
  try {
    const answer: unknown = JSON.parse(body);
    if (typeof answer === "object" && answer !== null && "error" in answer && typeof answer.error === "string") {
      return answer.error.slice(0, MAX_CAUSE_CHARACTERS);
    }
  } catch {
    // Not JSON: whatever it is, its status tells more.
  }
  return "";
}

function failed(cause: string, mend?: string): Failure {
  return { kind: "engine_failed", engine: "mlx", cause, ...(mend === undefined ? {} : { mend }) };
}
