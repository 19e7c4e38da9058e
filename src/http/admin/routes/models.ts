import { createRoute, z } from "@hono/zod-openapi";
import { adminGroup } from "../admin-env.ts";
import { refuse } from "../admin-error.ts";
import type { AdminDeps } from "../deps.ts";
import { jobSchema, toJobJson } from "../job-json.ts";
import { bearer, errorResponses, idParam, jsonContent } from "../schemas.ts";

const model = z
  .object({
    id: z.string(),
    engine: z.string(),
    node: z.string(),
    node_name: z.string(),
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

const nodeName = z.string().min(1).max(200);

const move = createRoute({
  method: "post",
  path: "/admin/v1/models/{id}/move",
  summary: "Move a model from one node to another while it serves",
  description:
    "It is loaded on the new node, new requests go there, running answers of the old one end, then it is unloaded there.",
  tags: ["models"],
  security: bearer,
  request: {
    params: idParam("model"),
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z
            .strictObject({
              to: nodeName.openapi({ description: "Id or name of the node that shall have it" }),
              from: nodeName
                .optional()
                .openapi({ description: "Needed where several others serve it, or the new one does already" }),
            })
            .openapi("ModelMove"),
        },
      },
    },
  },
  responses: {
    202: jsonContent(z.object({ job: jobSchema }), "The job that ends when it has moved"),
    ...errorResponses,
  },
});

export function modelsRoutes(deps: AdminDeps) {
  return adminGroup()
    .openapi(list, async (c) => {
      const models = await deps.models();
      return c.json(
        {
          models: models.map(({ replica, nodeName, state, isDefault }) => ({
            id: replica.model,
            engine: replica.engine,
            node: replica.node,
            node_name: nodeName,
            state,
            context_tokens: replica.contextTokens,
            slots: replica.slots,
            smoke_test: replica.smokeTest,
            default: isDefault,
          })),
        },
        200,
      );
    })
    .openapi(move, async (c) => {
      const { to, from } = c.req.valid("json");
      const wish = { model: c.req.valid("param").id, to, ...(from === undefined ? {} : { from }) };
      const moving = await deps.nodes.moveModel(wish, c.get("principal"));
      if (!moving.ok) return refuse(c, moving.error);
      c.header("location", `/admin/v1/jobs/${encodeURIComponent(moving.value.id)}`);
      return c.json({ job: toJobJson(moving.value) }, 202);
    });
}

export type ModelsApi = ReturnType<typeof modelsRoutes>;
