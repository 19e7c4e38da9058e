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
    const page = pageOf(listModels(deps, principal.value), new URL(context.req.url).searchParams);
    if (!page.ok) return refuse(surface, page.error, requestId);
    const data = page.value.entries.map((entry) => toModel(entry, deps.startedAt, surface));
    const first_id = data[0]?.id ?? null;
    const last_id = data.at(-1)?.id ?? null;
    const { more } = page.value;
    return context.json({ object: "list", data, has_more: more, first_id, last_id }, 200, ids(requestId));
  });

  app.get(`${path}/:id{.+}`, (context) => {
    const requestId = newRequestId();
    const surface = surfaceOf(context.req.raw.headers);
    const principal = authenticate(deps.keys, context.req.raw.headers);
    if (!principal.ok) return refuse(surface, principal.error, requestId);
    const wanted = context.req.param("id");
    const found = find(deps, principal.value, wanted);
    if (!found.ok) return refuse(surface, found.error, requestId);
    return context.json(toModel(found.value, deps.startedAt, surface), 200, ids(requestId));
  });
}

const MOST_A_PAGE = 1000;

/** Anthropic's paging. Without a limit it is the whole list, as OpenAI's clients expect. */
function pageOf(
  all: readonly Listed[],
  query: URLSearchParams,
): Result<{ entries: readonly Listed[]; more: boolean }, Failure> {
  const wrong = (field: string, message: string) =>
    ({ ok: false, error: { kind: "invalid_request", field, message: `${field}: ${message}` } }) as const;
  const limit = Number(query.get("limit") ?? MOST_A_PAGE);
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST_A_PAGE) {
    return wrong("limit", `must be a whole number from 1 to ${MOST_A_PAGE}`);
  }
  const place = (field: string): number | null => {
    const id = query.get(field);
    return id === null ? null : all.findIndex((one) => one.id === id);
  };
  const [after, before] = [place("after_id"), place("before_id")];
  if (after === -1) return wrong("after_id", "no model of this id is listed");
  if (before === -1) return wrong("before_id", "no model of this id is listed");
  if (before !== null) {
    const start = Math.max(0, before - limit);
    return { ok: true, value: { entries: all.slice(start, before), more: start > 0 } };
  }
  const start = after === null ? 0 : after + 1;
  const end = Math.min(all.length, start + limit);
  return { ok: true, value: { entries: all.slice(start, end), more: end < all.length } };
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

function toModel({ id, replica }: Listed, startedAt: number, surface: Surface) {
  const { abilities, contextTokens } = replica;
  return {
    id,
    object: "model" as const,
    created: Math.floor(startedAt / 1000),
    owned_by: "flock",
    type: "model" as const,
    display_name: replica.smokeTest ? `${id} (smoke test only)` : id,
    created_at: new Date(startedAt).toISOString(),
    ...(replica.parent === undefined ? {} : { parent: replica.parent }),
    context_length: contextTokens,
    max_model_len: contextTokens,
    max_input_tokens: contextTokens,
    max_tokens: contextTokens,
    ...(surface === "anthropic" ? ANTHROPIC_ONLY : { capabilities: listAbilities(abilities) }),
  };
}

/** Anthropic's clients read an object of theirs in `capabilities`, or null where nothing is said. */
const ANTHROPIC_ONLY = { capabilities: null, lifecycle: "active", line: null, deprecated_at: null };

function listAbilities(abilities: Replica["abilities"]): string[] {
  return Object.entries(abilities)
    .filter(([, can]) => can)
    .map(([name]) => name);
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
