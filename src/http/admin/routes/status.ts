import { createRoute, z } from "@hono/zod-openapi";
import type { ReplicaLoad } from "../../../core/replica.ts";
import { adminGroup } from "../admin-env.ts";
import { engineSchema, toEngineJson } from "../engine-json.ts";
import type { AdminDeps, StatusReport } from "../deps.ts";
import { bearer, epochMs, errorResponses, jsonContent } from "../schemas.ts";

const gpu = z.object({
  vendor: z.string(),
  name: z.string(),
  memory_bytes: z.int().nullable(),
  driver: z.string().nullable(),
});

const status = z
  .object({
    version: z.string(),
    role: z.enum(["leader", "worker"]),
    url: z.string(),
    started_at: epochMs,
    uptime_s: z.int(),
    pid: z.int(),
    data_dir: z.string(),
    default_model: z.string().nullable(),
    smoke_test: z.boolean().openapi({ description: "The default model is the bundled smoke-test one" }),
    engines: z.array(engineSchema),
    models: z.array(
      z.object({
        id: z.string(),
        engine: z.string(),
        node: z.string(),
        node_name: z.string(),
        context_tokens: z.int(),
        slots: z.int(),
        busy: z.int(),
        load: z
          .object({ running: z.number(), waiting: z.number(), kv_cache_usage: z.number().nullable() })
          .nullable()
          .openapi({ description: "What the engine says of its own queue, others' requests included" }),
      }),
    ),
    nodes: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        state: z.enum(["joining", "ready", "draining", "drained", "lost"]),
        hostname: z.string(),
        os: z.string(),
        arch: z.string(),
        memory_bytes: z.int(),
        cores: z.int(),
        gpus: z.array(gpu),
      }),
    ),
    requests_in_flight: z.int(),
    store: z.object({ type: z.string(), ok: z.boolean() }),
    journal: z.object({ ok: z.boolean(), pending: z.int() }),
    hints: z.array(z.object({ message: z.string(), command: z.string() })),
  })
  .openapi("Status");

const show = createRoute({
  method: "get",
  path: "/admin/v1/status",
  summary: "Role, engines, models, nodes and load",
  tags: ["status"],
  security: bearer,
  responses: { 200: jsonContent(status, "What is running now"), ...errorResponses },
});

export function statusRoutes(deps: AdminDeps) {
  return adminGroup().openapi(show, async (c) => c.json(toStatusJson(await deps.status(), deps.clock.now()), 200));
}

export type StatusApi = ReturnType<typeof statusRoutes>;

function toStatusJson(report: StatusReport, now: number): z.infer<typeof status> {
  return {
    version: report.version,
    role: report.role,
    url: report.url,
    started_at: report.startedAt,
    uptime_s: Math.max(0, Math.floor((now - report.startedAt) / 1000)),
    pid: report.pid,
    data_dir: report.dataDir,
    default_model: report.defaultModel,
    smoke_test: report.smokeTest,
    engines: report.engines.map(toEngineJson),
    models: report.models.map(({ replica, nodeName, busy }) => ({
      id: replica.model,
      engine: replica.engine,
      node: replica.node,
      node_name: nodeName,
      context_tokens: replica.contextTokens,
      slots: replica.slots,
      busy,
      load: toLoadJson(replica.load),
    })),
    nodes: report.nodes.map(({ id, name, state, inventory }) => ({
      id,
      name,
      state,
      hostname: inventory.hostname,
      os: inventory.os,
      arch: inventory.arch,
      memory_bytes: inventory.memoryBytes,
      cores: inventory.physicalCores,
      gpus: inventory.gpus.map(({ vendor, name, memoryBytes, driver }) => ({
        vendor,
        name,
        memory_bytes: memoryBytes,
        driver,
      })),
    })),
    requests_in_flight: report.requestsInFlight,
    store: { type: report.store.type, ok: report.store.ok },
    journal: { ok: report.journal.ok, pending: report.journal.pending },
    hints: report.hints.map(({ message, command }) => ({ message, command })),
  };
}

function toLoadJson(load: ReplicaLoad | undefined) {
  if (!load) return null;
  return { running: load.running, waiting: load.waiting, kv_cache_usage: load.kvCacheUsage };
}
