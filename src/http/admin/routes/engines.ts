import { createRoute, z } from "@hono/zod-openapi";
import { adminGroup } from "../admin-env.ts";
import { refuse } from "../admin-error.ts";
import type { AdminDeps } from "../deps.ts";
import { engineSchema, toEngineJson } from "../engine-json.ts";
import { bearer, errorResponses, jsonContent, limitQuery } from "../schemas.ts";

const name = (what: string, inPath: string) =>
  z
    .string()
    .min(1)
    .max(200)
    .openapi({ param: { name: inPath, in: "path" }, description: what });
const target = z.strictObject({ node: name("The node", "node"), engine: name("The engine on that node", "engine") });

const list = createRoute({
  method: "get",
  path: "/admin/v1/engines",
  summary: "Engines of all nodes",
  tags: ["engines"],
  security: bearer,
  responses: { 200: jsonContent(z.object({ engines: z.array(engineSchema) }), "All engines"), ...errorResponses },
});

const logs = createRoute({
  method: "get",
  path: "/admin/v1/engines/{node}/{engine}/logs",
  summary: "Newest lines of an engine's log; with `after` those since an earlier answer",
  tags: ["engines"],
  security: bearer,
  request: {
    params: target,
    query: z.strictObject({
      lines: limitQuery(200),
      after: z
        .string()
        .regex(/^\d+-\d+$/, "must be the `next` of an earlier answer")
        .optional(),
    }),
  },
  responses: {
    200: jsonContent(
      z.object({
        lines: z.array(z.string()),
        next: z.string().nullable().openapi({ description: "For `after`; null: Flock has no log of this engine" }),
      }),
      "Lines, oldest first",
    ),
    ...errorResponses,
  },
});

const act = createRoute({
  method: "post",
  path: "/admin/v1/engines/{node}/{engine}/{action}",
  summary: "Start, stop or restart an engine that Flock keeps",
  description:
    "A stopped engine stays so until it is started, also when Flock is. The answer to a start comes before it is ready.",
  tags: ["engines"],
  security: bearer,
  request: {
    params: target.extend({
      action: z.enum(["start", "stop", "restart"]).openapi({ param: { name: "action", in: "path" } }),
    }),
  },
  responses: { 200: jsonContent(z.object({ engine: engineSchema }), "The engine as it is now"), ...errorResponses },
});

export function enginesRoutes(deps: AdminDeps) {
  return adminGroup()
    .openapi(list, (c) => c.json({ engines: deps.engines.list().map(toEngineJson) }, 200))
    .openapi(logs, async (c) => {
      const params = c.req.valid("param");
      const { lines, after } = c.req.valid("query");
      const piece = { lines, ...(after === undefined ? {} : { after }) };
      const read = await deps.engines.logs(params.node, params.engine, piece);
      if (!read.ok) return refuse(c, read.error);
      return c.json({ lines: [...read.value.lines], next: read.value.next }, 200);
    })
    .openapi(act, async (c) => {
      const params = c.req.valid("param");
      const done = await deps.engines.act(params.node, params.engine, params.action, c.get("principal"));
      return done.ok ? c.json({ engine: toEngineJson(done.value) }, 200) : refuse(c, done.error);
    });
}

export type EnginesApi = ReturnType<typeof enginesRoutes>;
