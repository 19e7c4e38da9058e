import { createRoute, z } from "@hono/zod-openapi";
import { adminGroup } from "../admin-env.ts";
import type { AdminDeps } from "../deps.ts";
import { bearer, errorResponses, jsonContent } from "../schemas.ts";

const model = z
  .object({
    id: z.string(),
    engine: z.string(),
    node: z.string(),
    state: z.enum(["starting", "ready", "backoff", "crashloop", "stopping", "stopped"]),
    context_tokens: z.int(),
    slots: z.int(),
    smoke_test: z.boolean().openapi({ description: "The bundled model: real inference, meaningless answers" }),
    default: z.boolean(),
  })
  .openapi("Model");

const list = createRoute({
  method: "get",
  path: "/admin/v1/models",
  summary: "List the models that engines have",
  tags: ["models"],
  security: bearer,
  responses: { 200: jsonContent(z.object({ models: z.array(model) }), "One row for each copy"), ...errorResponses },
});

export function modelsRoutes(deps: AdminDeps) {
  return adminGroup().openapi(list, async (c) => {
    const models = await deps.models();
    return c.json(
      {
        models: models.map(({ replica, state, isDefault }) => ({
          id: replica.model,
          engine: replica.engine,
          node: replica.node,
          state,
          context_tokens: replica.contextTokens,
          slots: replica.slots,
          smoke_test: replica.smokeTest,
          default: isDefault,
        })),
      },
      200,
    );
  });
}

export type ModelsApi = ReturnType<typeof modelsRoutes>;
