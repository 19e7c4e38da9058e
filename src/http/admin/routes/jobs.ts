import { createRoute, z } from "@hono/zod-openapi";
import { adminGroup } from "../admin-env.ts";
import { refuse } from "../admin-error.ts";
import type { AdminDeps, AdminFailure } from "../deps.ts";
import { jobEventStream } from "../job-event-stream.ts";
import { jobEventSchema, jobSchema, toJobJson } from "../job-json.ts";
import { bearer, errorResponses, idParam, jsonContent, limitQuery } from "../schemas.ts";

const list = createRoute({
  method: "get",
  path: "/admin/v1/jobs",
  summary: "Long operations, newest first",
  tags: ["jobs"],
  security: bearer,
  request: { query: z.strictObject({ limit: limitQuery(50) }) },
  responses: { 200: jsonContent(z.object({ jobs: z.array(jobSchema) }), "Jobs"), ...errorResponses },
});

const show = createRoute({
  method: "get",
  path: "/admin/v1/jobs/{id}",
  summary: "One long operation",
  tags: ["jobs"],
  security: bearer,
  request: { params: idParam("job") },
  responses: { 200: jsonContent(z.object({ job: jobSchema }), "The job"), ...errorResponses },
});

const cancel = createRoute({
  method: "delete",
  path: "/admin/v1/jobs/{id}",
  summary: "Cancel a long operation",
  tags: ["jobs"],
  security: bearer,
  request: { params: idParam("job") },
  responses: { 200: jsonContent(z.object({ job: jobSchema }), "The job as it is now"), ...errorResponses },
});

const events = createRoute({
  method: "get",
  path: "/admin/v1/jobs/{id}/events",
  summary: "Follow a job: `progress` events, then one `end` event with the job. Resumes after `Last-Event-ID`.",
  tags: ["jobs"],
  security: bearer,
  request: {
    params: idParam("job"),
    headers: z.object({
      "last-event-id": z
        .string()
        .regex(/^[0-9]{1,15}$/, "must be the id of an event of this stream")
        .optional(),
    }),
  },
  responses: {
    200: { description: "Server-sent events", content: { "text/event-stream": { schema: jobEventSchema } } },
    ...errorResponses,
  },
});

export function jobsRoutes(deps: AdminDeps, heartbeatMs: number) {
  return adminGroup()
    .openapi(list, async (c) => {
      const jobs = await deps.jobs.list(c.req.valid("query").limit);
      return c.json({ jobs: jobs.map(toJobJson) }, 200);
    })
    .openapi(show, async (c) => {
      const { id } = c.req.valid("param");
      const job = await deps.jobs.get(id);
      return job === null ? refuse(c, noJob(id)) : c.json({ job: toJobJson(job) }, 200);
    })
    .openapi(cancel, async (c) => {
      const cancelled = await deps.jobs.cancel(c.req.valid("param").id, c.get("principal"));
      return cancelled.ok ? c.json({ job: toJobJson(cancelled.value) }, 200) : refuse(c, cancelled.error);
    })
    .openapi(events, async (c) => {
      const { id } = c.req.valid("param");
      if ((await deps.jobs.get(id)) === null) return refuse(c, noJob(id));
      const stream = jobEventStream({
        jobs: deps.jobs,
        jobId: id,
        afterSeq: Number(c.req.valid("header")["last-event-id"] ?? 0),
        heartbeatMs,
        signal: c.req.raw.signal,
        requestId: c.get("requestId"),
        onBug: (cause) => deps.reportBug(c.get("requestId"), cause),
      });
      // nginx passes events on as they come only when it is told to.
      return c.body(stream, 200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
    });
}

export type JobsApi = ReturnType<typeof jobsRoutes>;

function noJob(id: string): AdminFailure {
  return { kind: "not_found", what: `job ${id}`, mend: "flock job ls" };
}
