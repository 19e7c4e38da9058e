import { createRoute, z } from "@hono/zod-openapi";
import type { AdapterView } from "../adapter-deps.ts";
import { adminGroup } from "../admin-env.ts";
import { refuse } from "../admin-error.ts";
import type { AdminDeps } from "../deps.ts";
import { bearer, errorResponses, idParam, jsonContent } from "../schemas.ts";

const adapter = z
  .object({
    id: z.string().openapi({ description: "The model that it makes: what clients ask for" }),
    model: z.string().openapi({ description: "The model that it is an adapter of" }),
    node: z.string(),
    engine: z.string(),
  })
  .openapi("Adapter");
const adapters = z.object({ adapters: z.array(adapter) });

const list = createRoute({
  method: "get",
  path: "/admin/v1/adapters",
  summary: "LoRA adapters that are served, one row for each copy",
  tags: ["models"],
  security: bearer,
  responses: { 200: jsonContent(adapters, "All adapters"), ...errorResponses },
});

const wish = z
  .strictObject({
    model: z.string().min(1).max(200),
    adapter: z
      .string()
      .regex(/^(file|hf):\S/, "must be file:<path> or hf:<owner>/<repository>")
      .max(4096),
    node: z.string().min(1).max(200).optional().openapi({ description: "Absent: wherever the model is served" }),
  })
  .openapi("NewAdapter");

const add = createRoute({
  method: "post",
  path: "/admin/v1/adapters",
  summary: "Put a LoRA adapter on a model; vLLM and llama-server take them",
  description: "A llama-server that Flock started is started again with it. Paths are those of the model's node.",
  tags: ["models"],
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: wish } } } },
  responses: { 201: jsonContent(adapters, "Where it was put on"), ...errorResponses },
});

const remove = createRoute({
  method: "delete",
  path: "/admin/v1/adapters/{id}",
  summary: "Take a LoRA adapter off, wherever it is",
  tags: ["models"],
  security: bearer,
  request: { params: idParam("adapter") },
  responses: { 200: jsonContent(adapters, "Where it was taken off"), ...errorResponses },
});

export function adaptersRoutes(deps: AdminDeps) {
  return adminGroup()
    .openapi(list, (c) => c.json({ adapters: deps.adapters.list().map(toJson) }, 200))
    .openapi(add, async (c) => {
      const { node = null, ...rest } = c.req.valid("json");
      const added = await deps.adapters.add({ ...rest, node }, c.get("principal"));
      return added.ok ? c.json({ adapters: added.value.map(toJson) }, 201) : refuse(c, added.error);
    })
    .openapi(remove, async (c) => {
      const removed = await deps.adapters.remove(c.req.valid("param").id, c.get("principal"));
      return removed.ok ? c.json({ adapters: removed.value.map(toJson) }, 200) : refuse(c, removed.error);
    });
}

export type AdaptersApi = ReturnType<typeof adaptersRoutes>;

function toJson({ model, parent, node, engine }: AdapterView): z.infer<typeof adapter> {
  return { id: model, model: parent, node, engine };
}
