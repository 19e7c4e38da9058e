import { createRoute, z } from "@hono/zod-openapi";
import { UNLIMITED } from "../../../core/principal.ts";
import { adminGroup } from "../admin-env.ts";
import { refuse } from "../admin-error.ts";
import type { AdminDeps, KeyView } from "../deps.ts";
import { bearer, epochMs, errorResponses, idParam, jsonContent } from "../schemas.ts";

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
    models: z.array(z.string()).openapi({ description: "Models this key may use; empty: all" }),
    local_only: z.boolean(),
    created_at: epochMs,
    expires_at: epochMs.nullable(),
    revoked_at: epochMs.nullable(),
    last_used_at: epochMs.nullable(),
  })
  .openapi("Key");

const newKey = z
  .strictObject({
    name: z
      .string()
      .max(100)
      .regex(/^[^\p{Cc}]*\S[^\p{Cc}]*$/u, "must hold a visible character and no control characters")
      .optional(),
    scope: scope.default("user"),
    limits: z
      .strictObject({
        daily_tokens: limit.optional(),
        requests_per_minute: limit.optional(),
        tokens_per_minute: limit.optional(),
        concurrency: limit.optional(),
      })
      .optional(),
    models: z.array(z.string().min(1).max(200)).max(200).optional(),
    expires_at: epochMs.nullable().optional(),
    local_only: z.boolean().default(false),
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
          limits: {
            dailyTokens: body.limits?.daily_tokens ?? UNLIMITED.dailyTokens,
            requestsPerMinute: body.limits?.requests_per_minute ?? UNLIMITED.requestsPerMinute,
            tokensPerMinute: body.limits?.tokens_per_minute ?? UNLIMITED.tokensPerMinute,
            concurrency: body.limits?.concurrency ?? UNLIMITED.concurrency,
          },
          models: body.models ?? [],
          expiresAt,
          localOnly: body.local_only,
        },
        c.get("principal"),
      );
      if (!created.ok) return refuse(c, created.error);
      return c.json({ token: created.value.secret, key: toKeyJson(created.value.key) }, 201);
    })
    .openapi(revoke, async (c) => {
      const revoked = await deps.tokens.revoke(c.req.valid("param").id, c.get("principal"));
      return revoked.ok ? c.json({ key: toKeyJson(revoked.value) }, 200) : refuse(c, revoked.error);
    });
}

export type TokensApi = ReturnType<typeof tokensRoutes>;

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
    created_at: view.createdAt,
    expires_at: view.expiresAt,
    revoked_at: view.revokedAt,
    last_used_at: view.lastUsedAt,
  };
}
