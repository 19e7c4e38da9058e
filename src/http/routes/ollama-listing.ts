import type { Context, Hono } from "hono";
import type { Failure } from "../../core/failure.ts";
import { newRequestId } from "../../core/id.ts";
import type { Replica } from "../../core/replica.ts";
import { toErrorResponse } from "../../dialect/failure-shape.ts";
import {
  type ListedModel,
  toPs,
  toShow,
  toTags,
  toVersion,
  withoutLatestTag,
} from "../../dialect/ollama-chat/listing.ts";
import { authenticate } from "../../gateway/authenticate.ts";
import type { ServerEnv } from "../server-env.ts";
import { listModels, type ModelRoutesDeps } from "./models.ts";

/** `/api/tags`, `/api/ps`, `/api/show` and `/api/version`, as Ollama's own tools ask them, with keys. */
export function mountOllamaListing(app: Hono<ServerEnv>, deps: ModelRoutesDeps): void {
  const guarded = (
    path: string,
    method: "GET" | "POST",
    answer: (c: Context, models: Listed[]) => Answer | Promise<Answer>,
  ) =>
    app.on(method, path, async (context) => {
      const requestId = newRequestId();
      const principal = authenticate(deps.keys, context.req.raw.headers);
      const given: Answer = principal.ok
        ? await answer(
            context,
            listModels(deps, principal.value).map((entry) => toListed(entry, deps.startedAt)),
          )
        : { failure: principal.error };
      if (!("failure" in given)) return context.json(given.body, 200, { "x-request-id": requestId });
      const shape = toErrorResponse("ollama", given.failure, requestId);
      return new Response(shape.body, { status: shape.status, headers: shape.headers });
    });

  app.get("/api/version", (context) => context.json(toVersion(), 200, { "x-request-id": newRequestId() }));
  guarded("/api/tags", "GET", (_context, models) => ({ body: toTags(models) }));
  guarded("/api/ps", "GET", (_context, models) => ({
    body: toPs(models.map((one) => ({ ...one, memoryBytes: 0, gpuMemoryBytes: 0, expiresAt: null }))),
  }));
  guarded("/api/show", "POST", async (context, models) => {
    const body: unknown = await context.req.json().catch(() => null);
    const { model, name } = (typeof body === "object" && body !== null ? body : {}) as {
      model?: unknown;
      name?: unknown;
    };
    const wanted = model ?? name;
    if (typeof wanted !== "string" || wanted === "") {
      return { failure: { kind: "invalid_request", field: "model", message: "model is required" } };
    }
    const found = models.find((one) => one.model === wanted || one.model === withoutLatestTag(wanted));
    return found
      ? { body: toShow(found) }
      : { failure: { kind: "unknown_model", model: wanted.slice(0, 200), nearest: [] } };
  });
}

type Listed = ListedModel;
type Answer = { readonly body: ReturnType<typeof toTags> } | { readonly failure: Failure };

function toListed({ id, replica }: { id: string; replica: Replica }, startedAt: number): ListedModel {
  const { contextTokens, abilities } = replica;
  return { model: id, contextTokens, abilities, modifiedAt: startedAt };
}
