import { createRoute, z } from "@hono/zod-openapi";
import { adminGroup } from "../admin-env.ts";
import { refuse } from "../admin-error.ts";
import type { AdminDeps } from "../deps.ts";
import { bearer, errorResponses, jsonContent } from "../schemas.ts";

const path = "/admin/v1/default-model";

const view = z
  .object({
    model: z.string().nullable().openapi({ description: "What `auto` gets now; null: nothing is served" }),
    wanted: z.string().openapi({ description: "As somebody wrote it; empty: Flock picked one" }),
    origin: z.string().openapi({ description: "Who set it: default, file, store, env or flag" }),
    detail: z.string(),
  })
  .openapi("DefaultModel");

const show = createRoute({
  method: "get",
  path,
  summary: "Which model `auto` gets, and who said so",
  tags: ["models"],
  security: bearer,
  responses: { 200: jsonContent(view, "The default model"), ...errorResponses },
});

const set = createRoute({
  method: "put",
  path,
  summary: "Choose the model that `auto` gets, from now on; refused where the environment or a flag chooses",
  tags: ["models"],
  security: bearer,
  request: {
    body: {
      required: true,
      content: { "application/json": { schema: z.strictObject({ model: z.string().min(1).max(1000) }) } },
    },
  },
  responses: { 200: jsonContent(view, "The default model as it is now"), ...errorResponses },
});

const clear = createRoute({
  method: "delete",
  path,
  summary: "Take back what was chosen here: the file's choice counts again, or Flock's own",
  tags: ["models"],
  security: bearer,
  responses: { 200: jsonContent(view, "The default model as it is now"), ...errorResponses },
});

export function defaultModelRoutes(deps: AdminDeps) {
  return adminGroup()
    .openapi(show, async (c) => c.json(await deps.defaultModel.show(), 200))
    .openapi(set, async (c) => {
      const done = await deps.defaultModel.set(c.req.valid("json").model, c.get("principal"));
      return done.ok ? c.json(done.value, 200) : refuse(c, done.error);
    })
    .openapi(clear, async (c) => {
      const done = await deps.defaultModel.set(null, c.get("principal"));
      return done.ok ? c.json(done.value, 200) : refuse(c, done.error);
    });
}

export type DefaultModelApi = ReturnType<typeof defaultModelRoutes>;
