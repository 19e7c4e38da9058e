import type { Hono } from "hono";
import type { Failure } from "../../core/failure.ts";
import { newRequestId } from "../../core/id.ts";
import { mayUseModel } from "../../core/model-rights.ts";
import type { Principal } from "../../core/principal.ts";
import type { Replica } from "../../core/replica.ts";
import type { Result } from "../../core/result.ts";
import { nearestNames } from "../../core/text-distance.ts";
import { toErrorResponse, type Surface } from "../../dialect/failure-shape.ts";
import { authenticate } from "../../gateway/authenticate.ts";
import type { Authenticator } from "../../gateway/ports.ts";
import type { ServerEnv } from "../server-env.ts";

export interface ModelRoutesDeps {
  readonly keys: Authenticator;
  readonly replicas: () => readonly Replica[];
  /** Alias to model id, for one key. */
  readonly aliases: (keyId: string) => ReadonlyMap<string, string>;
  /** Epoch ms; the list's `created`. */
  readonly startedAt: number;
}

export interface Listed {
  readonly id: string;
  readonly replica: Replica;
}

/**
 * `GET /v1/models` and `/v1/models/:id` in one shape that OpenAI's and Anthropic's clients both read: each takes the
 * fields it knows. Ids may hold `/` and `:`.
 */
export function mountModels(app: Hono<ServerEnv>, deps: ModelRoutesDeps, paths: readonly string[]): void {
  for (const path of paths) mountAt(app, deps, path);
}

function mountAt(app: Hono<ServerEnv>, deps: ModelRoutesDeps, path: string): void {
  app.get(path, (context) => {
    const requestId = newRequestId();
    const surface = surfaceOf(context.req.raw.headers);
    const principal = authenticate(deps.keys, context.req.raw.headers);
    if (!principal.ok) return refuse(surface, principal.error, requestId);
    const data = listModels(deps, principal.value).map((entry) => toModel(entry, deps.startedAt));
    const first_id = data[0]?.id ?? null;
    const last_id = data.at(-1)?.id ?? null;
    return context.json({ object: "list", data, has_more: false, first_id, last_id }, 200, ids(requestId));
  });

  app.get(`${path}/:id{.+}`, (context) => {
    const requestId = newRequestId();
    const surface = surfaceOf(context.req.raw.headers);
    const principal = authenticate(deps.keys, context.req.raw.headers);
    if (!principal.ok) return refuse(surface, principal.error, requestId);
    const wanted = context.req.param("id");
    const found = find(deps, principal.value, wanted);
    if (!found.ok) return refuse(surface, found.error, requestId);
    return context.json(toModel(found.value, deps.startedAt), 200, ids(requestId));
  });
}

function find(deps: ModelRoutesDeps, principal: Principal, wanted: string): Result<Listed, Failure> {
  const all = listModels(deps, principal);
  const found = all.find(({ id }) => id === wanted) ?? all.find(({ id }) => id === wanted.toLowerCase());
  if (found) return { ok: true, value: found };
  const nearest = nearestNames(
    wanted,
    all.map(({ id }) => id),
  );
  return { ok: false, error: { kind: "unknown_model", model: wanted.slice(0, 200), nearest } };
}

/** One entry a model, however many replicas it has, and one an alias; only what this key may use. */
export function listModels(deps: ModelRoutesDeps, principal: Principal): Listed[] {
  const byModel = new Map<string, Replica>();
  for (const replica of deps.replicas()) {
    const known = byModel.get(replica.model);
    // A prompt must fit wherever it lands: the smallest context of the replicas is the model's.
    if (!known || replica.contextTokens < known.contextTokens) byModel.set(replica.model, replica);
  }
  const may = (asked: string, model: string): boolean => mayUseModel(principal.models, asked, model);
  const entries: Listed[] = [...byModel].filter(([id]) => may(id, id)).map(([id, replica]) => ({ id, replica }));
  for (const [alias, model] of deps.aliases(principal.keyId)) {
    const replica = byModel.get(model);
    if (replica && may(alias, model) && !byModel.has(alias)) entries.push({ id: alias, replica });
  }
  return entries;
}

function toModel({ id, replica }: Listed, startedAt: number) {
  const { abilities, contextTokens } = replica;
  return {
    id,
    object: "model" as const,
    created: Math.floor(startedAt / 1000),
    owned_by: "flock",
    type: "model" as const,
    display_name: replica.smokeTest ? `${id} (smoke test only)` : id,
    created_at: new Date(startedAt).toISOString(),
    context_length: contextTokens,
    max_model_len: contextTokens,
    max_input_tokens: contextTokens,
    max_tokens: contextTokens,
    capabilities: Object.entries(abilities)
      .filter(([, can]) => can)
      .map(([name]) => name),
  };
}

/** Only Anthropic's clients send this header. */
function surfaceOf(headers: Headers): Surface {
  return headers.has("anthropic-version") ? "anthropic" : "openai";
}

function ids(requestId: string): Record<string, string> {
  return { "x-request-id": requestId, "request-id": requestId };
}

function refuse(surface: Surface, failure: Failure, requestId: string): Response {
  const shape = toErrorResponse(surface, failure, requestId);
  return new Response(shape.body, { status: shape.status, headers: shape.headers });
}
