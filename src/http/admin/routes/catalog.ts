import { createRoute, z } from "@hono/zod-openapi";
import { catalogEntry } from "../../../catalog/entry.ts";
import { adminGroup } from "../admin-env.ts";
import type { AdminDeps } from "../deps.ts";
import { bearer, errorResponses, jsonContent } from "../schemas.ts";

const problem = z.object({
  file: z.string(),
  line: z.int().nullable(),
  message: z.string().openapi({ description: "Why this entry, or this part of it, is not used" }),
});

const body = z
  .object({
    directory: z.string().nullable().openapi({ description: "Where the catalogue was found; null: nowhere" }),
    models: z.array(catalogEntry),
    problems: z.array(problem),
  })
  .openapi("Catalog");

const list = createRoute({
  method: "get",
  path: "/admin/v1/catalog",
  summary: "List the model catalogue",
  tags: ["catalog"],
  security: bearer,
  responses: { 200: jsonContent(body, "By id"), ...errorResponses },
});

export function catalogRoutes(deps: AdminDeps) {
  return adminGroup().openapi(list, async (c) => {
    const { directory, entries, problems } = await deps.catalog();
    return c.json({ directory, models: [...entries], problems: [...problems] }, 200);
  });
}

export type CatalogApi = ReturnType<typeof catalogRoutes>;
