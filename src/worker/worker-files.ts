import type { LinkFailure, LinkRequest, NodeOperation } from "../cluster/link.ts";
import { fileAnswer, FILES_SERVICE, partsOf, PULL_PATH, pullBody } from "../cluster/model-files.ts";
import { availableModels } from "../cluster/node-operations.ts";
import type { EngineAnswer } from "../core/engine-answer.ts";
import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { ModelPuller } from "./model-puller.ts";

type Fetch = (engineId: string, request: LinkRequest, signal: AbortSignal) => Promise<Result<EngineAnswer, Failure>>;
type Call = <Answer>(operation: NodeOperation<Answer>, signal: AbortSignal) => Promise<Result<Answer, LinkFailure>>;

/** To the engines of this machine, and to its model files under `FILES_SERVICE`. */
export function withFiles(fetch: Fetch, call: Call): Fetch {
  return async (engineId, request, signal) => {
    if (engineId !== FILES_SERVICE) return await fetch(engineId, request, signal);
    const [, model, part] = /^\/([^/]+)\/(\d{1,4})$/.exec(request.path) ?? [];
    const path = await partPath(call, decodeURIComponent(model ?? ""), Number(part), signal);
    if (path === null) return ok(new Response(null, { status: 404 }));
    return ok(fileAnswer(path, request.headers?.["range"] ?? null));
  };
}

/** Where a file of a model lies on this machine; null: nowhere. */
export async function partPath(call: Call, model: string, part: number, signal: AbortSignal): Promise<string | null> {
  const listed = await call(availableModels(), signal);
  const found = listed.ok ? listed.value.find(({ id }) => id === model) : undefined;
  return found === undefined ? null : (partsOf(found.path)[part] ?? null);
}

/** To this machine's agent, but for what this process does itself: bring models here. */
export function withPulls(call: Call, puller: () => ModelPuller | null): Call {
  return async (operation, signal) => {
    if (operation.path !== PULL_PATH || operation.method !== "POST") return await call(operation, signal);
    const body = pullBody.safeParse(operation.body);
    const brings = puller();
    if (!body.success || brings === null) {
      return err({ kind: "refused", message: "this is no model that could be brought", mend: "flock update" });
    }
    const read = operation.read(brings.pull(body.data));
    return read === null
      ? err({ kind: "refused", message: "the answer is not understood", mend: "flock update" })
      : ok(read.value);
  };
}
