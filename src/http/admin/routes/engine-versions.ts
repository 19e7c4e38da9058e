import { createRoute, z } from "@hono/zod-openapi";
import { adminGroup } from "../admin-env.ts";
import { refuse } from "../admin-error.ts";
import type { AdminDeps } from "../deps.ts";
import { jobSchema, toJobJson } from "../job-json.ts";
import { bearer, errorResponses, jsonContent } from "../schemas.ts";

const version = z
  .object({
    node: z.string(),
    engine: z.literal("llamacpp"),
    version: z.string().openapi({ description: "The release's tag", example: "b10488" }),
    variant: z.string(),
    bytes: z.int(),
    pinned: z.boolean().openapi({ description: "Engines are started with this one" }),
  })
  .openapi("EngineVersion");

const node = z.string().min(1).max(200).optional().openapi({ description: "Absent: the leader's own" });

const list = createRoute({
  method: "get",
  path: "/admin/v1/engine-versions",
  summary: "Programs of engines that Flock has installed, on all nodes",
  tags: ["engines"],
  security: bearer,
  responses: { 200: jsonContent(z.object({ versions: z.array(version) }), "Installed versions"), ...errorResponses },
});

const wish = z
  .strictObject({
    engine: z.literal("llamacpp"),
    node,
    version: z.string().min(1).max(60).optional().openapi({ description: "A release's tag; absent: the newest" }),
    variant: z
      .enum(["cuda", "rocm", "vulkan", "metal", "cpu"])
      .optional()
      .openapi({ description: "Absent: what the node's GPU and driver ask for" }),
    sha256: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, "must be 64 hexadecimal digits")
      .optional()
      .openapi({ description: "Of the archive, where the release tells none" }),
  })
  .openapi("EngineInstall");

const install = createRoute({
  method: "post",
  path: "/admin/v1/engine-versions",
  summary: "Download, check and unpack a release; a job",
  tags: ["engines"],
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: wish } } } },
  responses: { 202: jsonContent(z.object({ job: jobSchema }), "The job"), ...errorResponses },
});

const use = createRoute({
  method: "post",
  path: "/admin/v1/engine-versions/use",
  summary: "Pin an installed version; engines take it at their next start",
  tags: ["engines"],
  security: bearer,
  request: {
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z.strictObject({ engine: z.literal("llamacpp"), node, version: z.string().min(1).max(100) }),
        },
      },
    },
  },
  responses: { 200: jsonContent(z.object({ version }), "The pinned version"), ...errorResponses },
});

export function engineVersionsRoutes(deps: AdminDeps) {
  return adminGroup()
    .openapi(list, async (c) => {
      const versions = await deps.engineVersions.list();
      return versions.ok ? c.json({ versions: [...versions.value] }, 200) : refuse(c, versions.error);
    })
    .openapi(install, async (c) => {
      const body = c.req.valid("json");
      const job = await deps.engineVersions.install(
        {
          node: body.node ?? null,
          version: body.version ?? null,
          variant: body.variant ?? null,
          sha256: body.sha256 ?? null,
        },
        c.get("principal"),
      );
      return job.ok ? c.json({ job: toJobJson(job.value) }, 202) : refuse(c, job.error);
    })
    .openapi(use, async (c) => {
      const body = c.req.valid("json");
      const used = await deps.engineVersions.use(body.node ?? null, body.version, c.get("principal"));
      return used.ok ? c.json({ version: used.value }, 200) : refuse(c, used.error);
    });
}

export type EngineVersionsApi = ReturnType<typeof engineVersionsRoutes>;
