import { createRoute, z } from "@hono/zod-openapi";
import { adminGroup } from "../admin-env.ts";
import { refuse } from "../admin-error.ts";
import type { AdminDeps, RouteView } from "../deps.ts";
import { bearer, errorResponses, jsonContent } from "../schemas.ts";

const verdict = z
  .object({
    id: z.string(),
    node: z.string(),
    engine: z.string(),
    slots: z.int(),
    in_flight: z.int(),
    outstanding_tokens: z
      .int()
      .openapi({ description: "What it still has to work off; a token of an answer weighs more" }),
    taken: z.boolean(),
    reason: z.string().openapi({ description: "Why it would be taken, or why not" }),
  })
  .openapi("RouteVerdict");

const view = z
  .object({
    name: z.string(),
    model: z.string(),
    how: z.string().openapi({ description: "How the name was understood" }),
    waiting: z.int().openapi({ description: "Requests that wait for a slot of the model" }),
    fallbacks: z.array(z.string()).openapi({ description: "Models that would answer in its place now" }),
    replicas: z.array(verdict).openapi({ description: "The one that would be taken first" }),
  })
  .openapi("Route");

const flag = z.enum(["true", "false"]).default("false");

const explain = createRoute({
  method: "get",
  path: "/admin/v1/route",
  summary: "What would become of a request now: which model, which replica, and why not the others",
  tags: ["models"],
  security: bearer,
  request: {
    query: z.strictObject({
      model: z.string().min(1).max(200).default("auto"),
      key: z.string().min(1).max(200).optional().openapi({ description: "Id or name of a key: whose aliases count" }),
      session: z.string().max(200).default(""),
      tokens: z
        .string()
        .regex(/^\d{1,9}$/, "must be a whole number")
        .default("0"),
      tools: flag,
      images: flag,
    }),
  },
  responses: { 200: jsonContent(view, "The decision; nothing changes by asking"), ...errorResponses },
});

export function routeRoutes(deps: AdminDeps) {
  return adminGroup().openapi(explain, async (c) => {
    const { model, key, session, tokens, tools, images } = c.req.valid("query");
    const explained = await deps.explainRoute({
      name: model,
      key: key ?? null,
      session,
      promptTokens: Number(tokens),
      tools: tools === "true",
      images: images === "true",
    });
    return explained.ok ? c.json(toJson(explained.value), 200) : refuse(c, explained.error);
  });
}

export type RouteApi = ReturnType<typeof routeRoutes>;

function toJson({ name, model, how, waiting, fallbacks, replicas }: RouteView): z.infer<typeof view> {
  return {
    name,
    model,
    how,
    waiting,
    fallbacks: [...fallbacks],
    replicas: replicas.map(({ replica, inFlight, outstandingTokens, taken, reason }) => ({
      id: replica.id,
      node: replica.node,
      engine: replica.engine,
      slots: replica.slots,
      in_flight: inFlight,
      outstanding_tokens: outstandingTokens,
      taken,
      reason,
    })),
  };
}
