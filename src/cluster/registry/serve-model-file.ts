import type { EngineAnswer } from "../../core/engine-answer.ts";
import type { Failure } from "../../core/failure.ts";
import type { Result } from "../../core/result.ts";
import type { Link, LinkRequest } from "../link.ts";
import { fileAnswer, FILES_SERVICE, filePath, MODEL_FILES_PATH, partsOf } from "../model-files.ts";
import { availableModels } from "../node-operations.ts";

export interface ModelFileParts {
  readonly localNode: string;
  readonly link: Pick<Link, "call"> & {
    fetch(
      node: string,
      engineId: string,
      request: LinkRequest,
      signal: AbortSignal,
    ): Promise<Result<EngineAnswer, Failure>>;
  };
  readonly toStream: (answer: EngineAnswer) => ReadableStream<Uint8Array> | null;
}

/** A part of a model to a worker: from this machine's disk, or passed on from the node that has it. Null: another path. */
export async function serveModelFile(parts: ModelFileParts, request: Request): Promise<Response | null> {
  const url = new URL(request.url);
  const [, model, part] = /^\/([^/]+)\/(\d{1,4})$/.exec(url.pathname.slice(MODEL_FILES_PATH.length)) ?? [];
  if (request.method !== "GET" || !url.pathname.startsWith(MODEL_FILES_PATH) || model === undefined) return null;
  const id = decodeURIComponent(model);
  const at = Number(part);
  const range = request.headers.get("range");
  const from = url.searchParams.get("from") ?? parts.localNode;
  if (from === parts.localNode) {
    const listed = await parts.link.call(from, availableModels(), request.signal);
    const found = listed.ok ? listed.value.find((one) => one.id === id) : undefined;
    const path = found === undefined ? undefined : partsOf(found.path)[at];
    return path === undefined ? missing(id) : fileAnswer(path, range);
  }
  const headers: Record<string, string> = range === null ? {} : { range };
  const call = { method: "GET", path: filePath(id, at), headers } as const;
  const answer = await parts.link.fetch(from, FILES_SERVICE, call, request.signal);
  if (!answer.ok) return missing(id);
  return new Response(parts.toStream(answer.value), { status: answer.value.status });
}

function missing(model: string): Response {
  const error = { code: "not_found", message: `the file of ${model} is not there`, mend: "flock model ls" };
  return Response.json({ error }, { status: 404 });
}
