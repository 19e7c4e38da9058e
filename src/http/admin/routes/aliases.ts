import { createRoute, z } from "@hono/zod-openapi";
import { adminGroup } from "../admin-env.ts";
import { refuse } from "../admin-error.ts";
import type { AdminDeps, AliasView } from "../deps.ts";
import { bearer, epochMs, errorResponses, jsonContent } from "../schemas.ts";

const alias = z
  .object({
    name: z.string(),
    model: z.string().openapi({ description: "A model's id, another alias, or `auto`" }),
    key_id: z.string().nullable().openapi({ description: "The one key that it is for; null: everybody" }),
    key_name: z.string().nullable(),
    created_at: epochMs,
    updated_at: epochMs,
  })
  .openapi("Alias");

const name = z.string().min(1).max(200);
const newAlias = z
  .strictObject({
    name,
    model: z.string().min(1).max(1000),
    key: z.string().min(1).max(200).nullable().default(null).openapi({ description: "Id or name of a key" }),
  })
  .openapi("NewAlias");

const list = createRoute({
  method: "get",
  path: "/admin/v1/aliases",
  summary: "List the names that stand for models",
  tags: ["aliases"],
  security: bearer,
  responses: { 200: jsonContent(z.object({ aliases: z.array(alias) }), "Everybody's first"), ...errorResponses },
});

const set = createRoute({
  method: "post",
  path: "/admin/v1/aliases",
  summary: "Let a name stand for a model, for everybody or for one key; replaces what it stood for",
  tags: ["aliases"],
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: newAlias } } } },
  responses: { 200: jsonContent(z.object({ alias }), "The alias as it is now"), ...errorResponses },
});

const remove = createRoute({
  method: "delete",
  path: "/admin/v1/aliases",
  summary: "Remove an alias",
  tags: ["aliases"],
  security: bearer,
  // Names hold slashes and colons: a query parameter carries them unharmed.
  request: { query: z.strictObject({ name, key: z.string().min(1).max(200).optional() }) },
  responses: { 200: jsonContent(z.object({ alias }), "The alias that is gone"), ...errorResponses },
});

export function aliasesRoutes(deps: AdminDeps) {
  return adminGroup()
    .openapi(list, async (c) => c.json({ aliases: (await deps.aliases.list()).map(toAliasJson) }, 200))
    .openapi(set, async (c) => {
      const done = await deps.aliases.set(c.req.valid("json"), c.get("principal"));
      return done.ok ? c.json({ alias: toAliasJson(done.value) }, 200) : refuse(c, done.error);
    })
    .openapi(remove, async (c) => {
      const query = c.req.valid("query");
      const done = await deps.aliases.remove(query.name, query.key ?? null, c.get("principal"));
      return done.ok ? c.json({ alias: toAliasJson(done.value) }, 200) : refuse(c, done.error);
    });
}

export type AliasesApi = ReturnType<typeof aliasesRoutes>;

function toAliasJson(view: AliasView): z.infer<typeof alias> {
  return {
    name: view.name,
    model: view.model,
    key_id: view.keyId,
    key_name: view.keyName,
    created_at: view.createdAt,
    updated_at: view.updatedAt,
  };
}
