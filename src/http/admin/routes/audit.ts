import { createRoute, z } from "@hono/zod-openapi";
import { adminGroup } from "../admin-env.ts";
import type { AdminDeps } from "../deps.ts";
import { bearer, epochMs, errorResponses, jsonContent, limitQuery } from "../schemas.ts";

const snapshot = z.unknown().openapi({ type: ["object", "null"], description: "JSON, without secrets" });

const auditEntry = z
  .object({
    id: z.string(),
    at: epochMs,
    actor: z.string(),
    action: z.string(),
    target: z.string(),
    before: snapshot,
    after: snapshot,
  })
  .openapi("AuditEntry");

const recent = createRoute({
  method: "get",
  path: "/admin/v1/audit/recent",
  summary: "Recent changes, newest first",
  tags: ["audit"],
  security: bearer,
  request: { query: z.strictObject({ limit: limitQuery(50), actor: z.string().min(1).max(200).optional() }) },
  responses: { 200: jsonContent(z.object({ entries: z.array(auditEntry) }), "Audit entries"), ...errorResponses },
});

export function auditRoutes(deps: AdminDeps) {
  return adminGroup().openapi(recent, async (c) => {
    const { limit, actor } = c.req.valid("query");
    const entries = await deps.audit.recent({ limit, ...(actor === undefined ? {} : { actor }) });
    return c.json(
      {
        entries: entries.map(({ id, at, actor, action, target, before, after }) => ({
          id,
          at,
          actor,
          action,
          target,
          before: before ?? null,
          after: after ?? null,
        })),
      },
      200,
    );
  });
}

export type AuditApi = ReturnType<typeof auditRoutes>;
