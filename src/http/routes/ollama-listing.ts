import type { Hono } from "hono";
import type { JsonObject } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { newRequestId } from "../../core/id.ts";
import type { Principal } from "../../core/principal.ts";
import type { Replica } from "../../core/replica.ts";
import { nearestNames } from "../../core/text-distance.ts";
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
import { enterEarly } from "../../gateway/enter.ts";
import type { GatewayDeps } from "../../gateway/ports.ts";
import type { ServerEnv } from "../server-env.ts";
import { listModels, type ModelRoutesDeps } from "./models.ts";

/** `/api/tags`, `/api/ps`, `/api/show` and `/api/version`, as Ollama's own tools ask them, with keys. */
export function mountOllamaListing(app: Hono<ServerEnv>, deps: ModelRoutesDeps, gateway: EntryDeps): void {
  const list = (path: string, answer: (models: Listed[]) => JsonObject): void => {
    app.get(path, (context) => {
      const principal = authenticate(deps.keys, context.req.raw.headers);
      const given: Answer = principal.ok
        ? { body: answer(listModels(deps, principal.value).map((entry) => toListed(entry, deps.startedAt))) }
        : { failure: principal.error };
      return toResponse(given, newRequestId());
    });
  };

  app.get("/api/version", (context) => context.json(toVersion(), 200, { "x-request-id": newRequestId() }));
  list("/api/tags", toTags);
  list("/api/ps", (models) =>
    toPs(models.map((one) => ({ ...one, memoryBytes: 0, gpuMemoryBytes: 0, expiresAt: null }))),
  );
  app.post("/api/show", async (context) => {
    const requestId = newRequestId();
    const { principal, body } = await enterEarly(gateway, context.req.raw);
    const given = body.ok ? show(body.value, principal, deps) : { failure: body.error };
    return toResponse(given, requestId);
  });
}

function show(body: Readable, principal: Principal | null, deps: ModelRoutesDeps): Answer {
  const wanted = body.string("model") ?? body.string("name") ?? "";
  if (wanted === "") return { failure: { kind: "invalid_request", field: "model", message: "model is required" } };
  const models = principal === null ? [] : listModels(deps, principal);
  const name = withoutLatestTag(wanted);
  const found = models.find(({ id }) => id === wanted || id === name);
  if (found) return { body: toShow(toListed(found, deps.startedAt)) };
  const nearest = nearestNames(
    wanted.slice(0, MAX_NAME_CHARACTERS),
    models.map(({ id }) => id),
  );
  return { failure: { kind: "unknown_model", model: wanted.slice(0, MAX_NAME_CHARACTERS), nearest } };
}

const MAX_NAME_CHARACTERS = 200;

function toResponse(given: Answer, requestId: string): Response {
  if (!("failure" in given)) return Response.json(given.body, { headers: { "x-request-id": requestId } });
  const shape = toErrorResponse("ollama", given.failure, requestId);
  return new Response(shape.body, { status: shape.status, headers: shape.headers });
}

/** A scanned body's texts by the names of their members. */
interface Readable {
  string(name: string): string | undefined;
}
type EntryDeps = Pick<GatewayDeps, "keys" | "limits">;
type Listed = ListedModel;
type Answer = { readonly body: JsonObject } | { readonly failure: Failure };

function toListed({ id, replica }: { id: string; replica: Replica }, startedAt: number): ListedModel {
  const { contextTokens, abilities } = replica;
  return { model: id, contextTokens, abilities, modifiedAt: startedAt };
}
