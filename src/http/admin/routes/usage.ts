import { createRoute, z } from "@hono/zod-openapi";
import { adminGroup } from "../admin-env.ts";
import { refuse } from "../admin-error.ts";
import type { AdminDeps, UsageView } from "../deps.ts";
import { jobSchema, toJobJson } from "../job-json.ts";
import { bearer, epochMs, errorResponses, jsonContent, limitQuery } from "../schemas.ts";

/** The job kind behind `POST /admin/v1/usage/rebuild`; the job runner knows it by this name. */
const REBUILD_ROLLUPS = "usage.rebuild-rollups";

const usageRecord = z
  .object({
    request_id: z.string(),
    at: epochMs,
    user_id: z.string(),
    user_name: z.string(),
    key_id: z.string(),
    key_name: z.string(),
    protocol: z.string(),
    endpoint: z.string(),
    requested_model: z.string(),
    served_model: z.string(),
    node: z.string(),
    engine: z.string(),
    replica: z.string(),
    prompt_tokens: z.int(),
    completion_tokens: z.int(),
    cached_tokens: z.int(),
    latency_ms: z.number(),
    ttft_ms: z.number().nullable().openapi({ description: "Time to the first token; null: nothing was generated" }),
    queue_ms: z.number(),
    attempts: z.int(),
    route_reason: z.string(),
    price_micros: z.number().openapi({ description: "Millionths of a US dollar" }),
    outcome: z.enum(["ok", "error", "cancelled"]),
    error_kind: z.string(),
  })
  .openapi("UsageRecord");

const recent = createRoute({
  method: "get",
  path: "/admin/v1/usage/recent",
  summary: "Recent requests, newest first",
  tags: ["usage"],
  security: bearer,
  request: { query: z.strictObject({ limit: limitQuery(50), user: z.string().min(1).max(200).optional() }) },
  responses: { 200: jsonContent(z.object({ records: z.array(usageRecord) }), "Usage records"), ...errorResponses },
});

const rebuild = createRoute({
  method: "post",
  path: "/admin/v1/usage/rebuild",
  summary: "Rebuild the hourly and daily sums from the records, as a job",
  tags: ["usage"],
  security: bearer,
  responses: { 202: jsonContent(z.object({ job: jobSchema }), "The job, to be followed"), ...errorResponses },
});

export function usageRoutes(deps: AdminDeps) {
  return adminGroup()
    .openapi(recent, async (c) => {
      const { limit, user } = c.req.valid("query");
      const records = await deps.usage.recent({ limit, ...(user === undefined ? {} : { user }) });
      return c.json({ records: records.map(toUsageJson) }, 200);
    })
    .openapi(rebuild, async (c) => {
      const job = await deps.jobs.enqueue(REBUILD_ROLLUPS, {}, c.get("principal"));
      if (!job.ok) return refuse(c, job.error);
      c.header("location", `/admin/v1/jobs/${encodeURIComponent(job.value.id)}`);
      return c.json({ job: toJobJson(job.value) }, 202);
    });
}

export type UsageApi = ReturnType<typeof usageRoutes>;

function toUsageJson(record: UsageView): z.infer<typeof usageRecord> {
  return {
    request_id: record.requestId,
    at: record.at,
    user_id: record.userId,
    user_name: record.userName,
    key_id: record.keyId,
    key_name: record.keyName,
    protocol: record.protocol,
    endpoint: record.endpoint,
    requested_model: record.requestedModel,
    served_model: record.servedModel,
    node: record.node,
    engine: record.engine,
    replica: record.replica,
    prompt_tokens: record.promptTokens,
    completion_tokens: record.completionTokens,
    cached_tokens: record.cachedTokens,
    latency_ms: record.latencyMs,
    ttft_ms: record.ttftMs,
    queue_ms: record.queueMs,
    attempts: record.attempts,
    route_reason: record.routeReason,
    price_micros: record.priceMicros,
    outcome: record.outcome,
    error_kind: record.errorKind,
  };
}
