import { z } from "@hono/zod-openapi";
import type { NodeDetail, NodeView } from "./node-view.ts";
import { epochMs } from "./schemas.ts";

const share = z.number().nullable().openapi({ description: "0 to 1; null: not known" });

export const nodeSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    role: z.enum(["leader", "worker"]),
    state: z.enum(["joining", "ready", "draining", "drained", "lost", "elsewhere"]),
    link: z.enum(["local", "lan", "tunnel"]).nullable(),
    addresses: z.array(z.string()),
    epoch: z.int(),
    version: z.string(),
    joined_at: epochMs,
    last_seen_at: epochMs.nullable(),
    drained_at: epochMs.nullable(),
    hardware: z
      .object({
        hostname: z.string(),
        os: z.string(),
        arch: z.string(),
        cpu: z.string(),
        cores: z.int(),
        memory_bytes: z.number(),
        free_memory_bytes: z.number(),
        gpus: z.array(z.object({ vendor: z.string(), name: z.string(), memory_bytes: z.number().nullable() })),
      })
      .nullable(),
    engines: z.array(
      z.object({
        id: z.string(),
        kind: z.string(),
        state: z.string(),
        problem: z.string().nullable(),
        restarts: z.int(),
      }),
    ),
    models: z.array(
      z.object({
        id: z.string(),
        engine: z.string(),
        context_tokens: z.int(),
        slots: z.int(),
        busy: z.int(),
        smoke_test: z.boolean(),
      }),
    ),
    utilisation: z.object({ cpu: share, gpu: share }),
    problems: z.array(z.string()),
  })
  .openapi("Node");

export const nodeDetailSchema = z.object({
  node: nodeSchema,
  load: z
    .object({
      cpu: share,
      memory_bytes: z.number(),
      free_memory_bytes: z.number(),
      gpus: z.array(
        z.object({
          name: z.string(),
          busy: share,
          memory_bytes: z.number().nullable(),
          used_memory_bytes: z.number().nullable(),
          celsius: z.number().nullable(),
        }),
      ),
    })
    .nullable()
    .openapi({ description: "Asked of the node just now; null: it did not tell" }),
  requests: z.array(
    z.object({
      request_id: z.string(),
      at: epochMs,
      user_name: z.string(),
      key_name: z.string(),
      requested_model: z.string(),
      served_model: z.string(),
      prompt_tokens: z.int(),
      completion_tokens: z.int(),
      latency_ms: z.number(),
      outcome: z.enum(["ok", "error", "cancelled"]),
      error_kind: z.string(),
    }),
  ),
  events: z.array(z.object({ at: epochMs, what: z.string() })),
  logs: z.array(z.object({ engine: z.string(), lines: z.array(z.string()) })),
});

/** Field by field: an engine's secret stands beside these and must not go out. */
export function toNodeJson(view: NodeView): z.infer<typeof nodeSchema> {
  const { inventory } = view;
  return {
    id: view.id,
    name: view.name,
    role: view.role,
    state: view.standing,
    link: view.link,
    addresses: [...view.addresses],
    epoch: view.epoch,
    version: view.version,
    joined_at: view.joinedAt,
    last_seen_at: view.lastSeenAt,
    drained_at: view.drainedAt,
    hardware:
      inventory === null
        ? null
        : {
            hostname: inventory.hostname,
            os: inventory.os,
            arch: inventory.arch,
            cpu: inventory.cpuModel,
            cores: inventory.physicalCores,
            memory_bytes: inventory.memoryBytes,
            free_memory_bytes: inventory.freeMemoryBytes,
            gpus: inventory.gpus.map(({ vendor, name, memoryBytes }) => ({ vendor, name, memory_bytes: memoryBytes })),
          },
    engines: view.engines.map(({ id, kind, state, problem, restarts }) => ({ id, kind, state, problem, restarts })),
    models: view.models.map((model) => ({
      id: model.id,
      engine: model.engine,
      context_tokens: model.contextTokens,
      slots: model.slots,
      busy: model.busy,
      smoke_test: model.smokeTest,
    })),
    utilisation: { ...view.utilisation },
    problems: [...view.problems],
  };
}

export function toNodeDetailJson({ node, load, requests, events, logs }: NodeDetail): z.infer<typeof nodeDetailSchema> {
  return {
    node: toNodeJson(node),
    load:
      load === null
        ? null
        : {
            cpu: load.cpu,
            memory_bytes: load.memoryBytes,
            free_memory_bytes: load.freeMemoryBytes,
            gpus: load.gpus.map(({ name, busy, memoryBytes, usedMemoryBytes, celsius }) => ({
              name,
              busy,
              memory_bytes: memoryBytes,
              used_memory_bytes: usedMemoryBytes,
              celsius,
            })),
          },
    requests: requests.map((one) => ({
      request_id: one.requestId,
      at: one.at,
      user_name: one.userName,
      key_name: one.keyName,
      requested_model: one.requestedModel,
      served_model: one.servedModel,
      prompt_tokens: one.promptTokens,
      completion_tokens: one.completionTokens,
      latency_ms: one.latencyMs,
      outcome: one.outcome,
      error_kind: one.errorKind,
    })),
    events: events.map(({ at, what }) => ({ at, what })),
    logs: logs.map(({ engine, lines }) => ({ engine, lines: [...lines] })),
  };
}
