import { createRoute, z } from "@hono/zod-openapi";
import { type KeyLimits, UNLIMITED } from "../../../core/principal.ts";
import { adminGroup } from "../admin-env.ts";
import { refuse } from "../admin-error.ts";
import type { AdminDeps, KeyChanges, KeyView } from "../deps.ts";
import { bearer, epochMs, errorResponses, idParam, jsonContent } from "../schemas.ts";

const priority = z.enum(["interactive", "batch"]).openapi({ description: "Who goes first where requests wait" });
const scope = z.enum(["user", "admin", "node"]);
const limit = z.int().min(0).openapi({ description: "0: unlimited" });

const key = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string(),
    scope,
    user: z.string(),
    limits: z.object({
      daily_tokens: limit,
      requests_per_minute: limit,
      tokens_per_minute: limit,
      concurrency: limit,
    }),
    models: z.array(z.string()).openapi({ description: "Ids, aliases and patterns (`qwen3-*`); empty: all" }),
    local_only: z.boolean().openapi({ description: "No request of this key ever leaves the building" }),
    priority,
    used_today: z.int().openapi({ description: "Tokens of the current UTC day, prompt and answer" }),
    created_at: epochMs,
    expires_at: epochMs.nullable(),
    revoked_at: epochMs.nullable(),
    last_used_at: epochMs.nullable(),
  })
  .openapi("Key");

const models = z.array(z.string().min(1).max(200)).max(200);
const limits = z.strictObject({
  daily_tokens: limit.optional(),
  requests_per_minute: limit.optional(),
  tokens_per_minute: limit.optional(),
  concurrency: limit.optional(),
});

const keyChanges = z
  .strictObject({
    limits: limits.optional(),
    models: models.optional(),
    expires_at: epochMs.nullable().optional(),
    local_only: z.boolean().optional(),
    priority: priority.optional(),
  })
  .openapi("KeyChanges");

const newKey = z
  .strictObject({
    name: z
      .string()
      .max(100)
      .regex(/^[^\p{Cc}]*\S[^\p{Cc}]*$/u, "must hold a visible character and no control characters")
      .optional(),
    scope: scope.default("user"),
    limits: limits.optional(),
    models: models.optional(),
    expires_at: epochMs.nullable().optional(),
    local_only: z.boolean().default(false),
    priority: priority.default("interactive"),
  })
  .openapi("NewKey");

const list = createRoute({
  method: "get",
  path: "/admin/v1/tokens",
  summary: "List API keys, without their secrets",
  tags: ["tokens"],
  security: bearer,
  responses: { 200: jsonContent(z.object({ tokens: z.array(key) }), "All keys"), ...errorResponses },
});

const create = createRoute({
  method: "post",
  path: "/admin/v1/tokens",
  summary: "Create an API key; its secret is in this answer and nowhere else",
  tags: ["tokens"],
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: newKey } } } },
  responses: { 201: jsonContent(z.object({ token: z.string(), key }), "The new key"), ...errorResponses },
});

const edit = createRoute({
  method: "patch",
  path: "/admin/v1/tokens/{id}",
  summary: "Change what a key may do; fields that are not given stay as they are",
  tags: ["tokens"],
  security: bearer,
  request: {
    params: idParam("key"),
    body: { required: true, content: { "application/json": { schema: keyChanges } } },
  },
  responses: { 200: jsonContent(z.object({ key }), "The key as it is now"), ...errorResponses },
});

const revoke = createRoute({
  method: "delete",
  path: "/admin/v1/tokens/{id}",
  summary: "Revoke an API key",
  tags: ["tokens"],
  security: bearer,
  request: { params: idParam("key") },
  responses: { 200: jsonContent(z.object({ key }), "The revoked key"), ...errorResponses },
});

export function tokensRoutes(deps: AdminDeps) {
  return adminGroup()
    .openapi(list, async (c) => c.json({ tokens: (await deps.tokens.list()).map(toKeyJson) }, 200))
    .openapi(create, async (c) => {
      const body = c.req.valid("json");
      const expiresAt = body.expires_at ?? null;
      if (expiresAt !== null && expiresAt <= deps.clock.now()) {
        const message = `"expires_at" was ${expiresAt}: it must lie in the future (epoch milliseconds).`;
        return refuse(c, { kind: "invalid_request", field: "expires_at", message });
      }
      const created = await deps.tokens.create(
        {
          ...(body.name === undefined ? {} : { name: body.name.trim() }),
          scope: body.scope,
          limits: { ...UNLIMITED, ...toLimits(body.limits) },
          models: body.models ?? [],
          expiresAt,
          localOnly: body.local_only,
          priority: body.priority,
        },
        c.get("principal"),
      );
      if (!created.ok) return refuse(c, created.error);
      return c.json({ token: created.value.secret, key: toKeyJson(created.value.key) }, 201);
    })
    .openapi(edit, async (c) => {
      const edited = await deps.tokens.edit(
        c.req.valid("param").id,
        toChanges(c.req.valid("json")),
        c.get("principal"),
      );
      return edited.ok ? c.json({ key: toKeyJson(edited.value) }, 200) : refuse(c, edited.error);
    })
    .openapi(revoke, async (c) => {
      const revoked = await deps.tokens.revoke(c.req.valid("param").id, c.get("principal"));
      return revoked.ok ? c.json({ key: toKeyJson(revoked.value) }, 200) : refuse(c, revoked.error);
    });
}

export type TokensApi = ReturnType<typeof tokensRoutes>;

function toLimits(given: z.infer<typeof limits> | undefined): Partial<KeyLimits> {
  return {
    ...(given?.daily_tokens === undefined ? {} : { dailyTokens: given.daily_tokens }),
    ...(given?.requests_per_minute === undefined ? {} : { requestsPerMinute: given.requests_per_minute }),
    ...(given?.tokens_per_minute === undefined ? {} : { tokensPerMinute: given.tokens_per_minute }),
    ...(given?.concurrency === undefined ? {} : { concurrency: given.concurrency }),
  };
}

function toChanges(body: z.infer<typeof keyChanges>): KeyChanges {
  return {
    ...(body.limits === undefined ? {} : { limits: toLimits(body.limits) }),
    ...(body.models === undefined ? {} : { models: body.models }),
    ...(body.expires_at === undefined ? {} : { expiresAt: body.expires_at }),
    ...(body.local_only === undefined ? {} : { localOnly: body.local_only }),
    ...(body.priority === undefined ? {} : { priority: body.priority }),
  };
}

function toKeyJson(view: KeyView): z.infer<typeof key> {
  return {
    id: view.id,
    name: view.name,
    prefix: view.prefix,
    scope: view.scope,
    user: view.userName,
    limits: {
      daily_tokens: view.limits.dailyTokens,
      requests_per_minute: view.limits.requestsPerMinute,
      tokens_per_minute: view.limits.tokensPerMinute,
      concurrency: view.limits.concurrency,
    },
    models: [...view.models],
    local_only: view.localOnly,
    priority: view.priority,
    used_today: view.usedToday,
    created_at: view.createdAt,
    expires_at: view.expiresAt,
    revoked_at: view.revokedAt,
    last_used_at: view.lastUsedAt,
  };
}
