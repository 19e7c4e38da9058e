import type { Failure } from "../core/failure.ts";
import type { EngineStatus } from "../core/node.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { LinkRequest } from "./link.ts";

/** HTTP over loopback to an engine of this machine, with its secret. The body streams and stays as it was sent. */
export async function fetchFromEngine(
  engine: Pick<EngineStatus, "id" | "endpoint" | "secret" | "start">,
  request: LinkRequest,
  signal: AbortSignal,
): Promise<Result<Response, Failure>> {
  if (signal.aborted) return err({ kind: "cancelled" });
  try {
    const answer = await fetch(engine.endpoint + request.path, {
      method: request.method,
      headers:
        engine.secret === ""
          ? { ...request.headers }
          : { ...request.headers, authorization: `Bearer ${engine.secret}` },
      ...(request.body === undefined ? {} : { body: request.body }),
      signal,
      // A model may think for longer than any default: whoever calls sets the limit, by the signal.
      timeout: false,
      // An engine may close an idle connection at the moment in which it is used again: whoever calls may repeat then.
      keepalive: request.fresh !== true,
      decompress: false,
      redirect: "manual",
    });
    return ok(answer);
  } catch (error) {
    if (signal.aborted) return err({ kind: "cancelled" });
    return err(toFailure(engine, error));
  }
}

/** Nobody listening is one thing (nothing was begun); a connection that broke is another (work may have been done). */
function toFailure(engine: Pick<EngineStatus, "id" | "endpoint" | "start">, error: unknown): Failure {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (REFUSED.has(code)) {
    return { kind: "engine_unreachable", engine: engine.id, endpoint: engine.endpoint, start: engine.start };
  }
  return {
    kind: "engine_failed",
    engine: engine.id,
    cause: `closed the connection before it answered${code && ` (${code})`}`,
  };
}

const REFUSED: ReadonlySet<string> = new Set(["ECONNREFUSED", "ConnectionRefused", "FailedToOpenSocket"]);
