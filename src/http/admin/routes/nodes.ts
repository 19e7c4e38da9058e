import { createRoute, z } from "@hono/zod-openapi";
import { adminGroup } from "../admin-env.ts";
import { refuse } from "../admin-error.ts";
import type { AdminDeps } from "../deps.ts";
import { jobSchema, toJobJson } from "../job-json.ts";
import { nodeDetailSchema, nodeSchema, toNodeDetailJson, toNodeJson } from "../node-json.ts";
import { bearer, epochMs, errorResponses, idParam, jsonContent } from "../schemas.ts";

const list = createRoute({
  method: "get",
  path: "/admin/v1/nodes",
  summary: "List nodes, the leader's own first",
  tags: ["nodes"],
  security: bearer,
  responses: { 200: jsonContent(z.object({ nodes: z.array(nodeSchema) }), "All nodes"), ...errorResponses },
});

const show = createRoute({
  method: "get",
  path: "/admin/v1/nodes/{id}",
  summary: "One node: hardware, models, utilisation, recent requests, error log",
  tags: ["nodes"],
  security: bearer,
  request: { params: idParam("node") },
  responses: { 200: jsonContent(nodeDetailSchema, "The node"), ...errorResponses },
});

const drain = createRoute({
  method: "post",
  path: "/admin/v1/nodes/{id}/drain",
  summary: "Send no new requests to a node; its models move where they can, and running answers end",
  tags: ["nodes"],
  security: bearer,
  request: { params: idParam("node") },
  responses: {
    202: jsonContent(
      z.object({ node: nodeSchema, job: jobSchema }),
      "The node, and the job that ends when it is empty",
    ),
    ...errorResponses,
  },
});

const undrain = createRoute({
  method: "post",
  path: "/admin/v1/nodes/{id}/undrain",
  summary: "Send requests to a node again",
  tags: ["nodes"],
  security: bearer,
  request: { params: idParam("node") },
  responses: { 200: jsonContent(z.object({ node: nodeSchema }), "The node"), ...errorResponses },
});

const remove = createRoute({
  method: "delete",
  path: "/admin/v1/nodes/{id}",
  summary: "Forget a node: its credential is refused from now on",
  tags: ["nodes"],
  security: bearer,
  request: { params: idParam("node") },
  responses: { 200: jsonContent(z.object({ node: nodeSchema }), "The node as it was"), ...errorResponses },
});

const joinToken = z
  .object({
    id: z.string(),
    token: z.string(),
    expires_at: epochMs,
    command: z.string().openapi({ description: "To be typed on the machine that joins" }),
    addresses: z.array(z.string()).openapi({ description: "Where that machine will look for the leader" }),
  })
  .openapi("JoinToken");

const invite = createRoute({
  method: "post",
  path: "/admin/v1/nodes/join-tokens",
  summary: "A token with which one machine may join as a worker, within five minutes",
  tags: ["nodes"],
  security: bearer,
  responses: { 201: jsonContent(joinToken, "The token, shown this once"), ...errorResponses },
});

/** Calls of nodes are signed and come over the node port; here they are named, so that who tries hears where to. */
const ofNodes = (what: "register" | "heartbeat", summary: string) =>
  createRoute({
    method: "post",
    path: `/admin/v1/nodes/${what}`,
    summary,
    description: "Served on the node port (TLS), to signed calls only; on the clients' port it is refused.",
    tags: ["nodes"],
    security: bearer,
    responses: errorResponses,
  });

export function nodesRoutes(deps: AdminDeps) {
  return adminGroup()
    .openapi(ofNodes("register", "Enrol a worker"), (c) => refuse(c, NODE_PORT))
    .openapi(ofNodes("heartbeat", "A worker says that it is alive and what it has loaded"), (c) => refuse(c, NODE_PORT))
    .openapi(invite, async (c) => {
      const invited = await deps.nodes.invite(c.get("principal"));
      if (!invited.ok) return refuse(c, invited.error);
      const { id, token, expiresAt, command, addresses } = invited.value;
      return c.json({ id, token, expires_at: expiresAt, command, addresses: [...addresses] }, 201);
    })
    .openapi(list, async (c) => c.json({ nodes: (await deps.nodes.list()).map(toNodeJson) }, 200))
    .openapi(show, async (c) => {
      const shown = await deps.nodes.show(c.req.valid("param").id);
      return shown.ok ? c.json(toNodeDetailJson(shown.value), 200) : refuse(c, shown.error);
    })
    .openapi(drain, async (c) => {
      const drained = await deps.nodes.drain(c.req.valid("param").id, c.get("principal"));
      if (!drained.ok) return refuse(c, drained.error);
      c.header("location", `/admin/v1/jobs/${encodeURIComponent(drained.value.job.id)}`);
      return c.json({ node: toNodeJson(drained.value.node), job: toJobJson(drained.value.job) }, 202);
    })
    .openapi(undrain, async (c) => {
      const back = await deps.nodes.undrain(c.req.valid("param").id, c.get("principal"));
      return back.ok ? c.json({ node: toNodeJson(back.value) }, 200) : refuse(c, back.error);
    })
    .openapi(remove, async (c) => {
      const removed = await deps.nodes.remove(c.req.valid("param").id, c.get("principal"));
      return removed.ok ? c.json({ node: toNodeJson(removed.value) }, 200) : refuse(c, removed.error);
    });
}

export type NodesApi = ReturnType<typeof nodesRoutes>;

const NODE_PORT = {
  kind: "forbidden",
  what: "calls of nodes are signed and come over the node port",
  mend: "flock token create --node   # then flock join on the other machine",
} as const;
