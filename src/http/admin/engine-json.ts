import { z } from "@hono/zod-openapi";
import type { EngineView } from "./engine-deps.ts";

export const engineSchema = z
  .object({
    node: z.string(),
    node_name: z.string(),
    id: z.string(),
    kind: z.enum(["embedded", "llamacpp", "ollama", "vllm", "mlx"]),
    managed: z.boolean().openapi({ description: "Flock started it, and starts it again" }),
    state: z
      .enum(["starting", "ready", "backoff", "crashloop", "stopping", "stopped", "lost"])
      .openapi({ description: "lost: its node is not heard of" }),
    endpoint: z.string(),
    pid: z.int().nullable(),
    restarts: z.int(),
    problem: z.string().nullable().openapi({ description: "Why it is not ready" }),
    start: z.string().openapi({ description: "The command that starts it" }),
    note: z.string().nullable().openapi({ description: "What it is and why Flock uses it" }),
    models: z.array(z.string()),
  })
  .openapi("Engine");

/** Field by field: an engine's secret stands beside these and must not go out. */
export function toEngineJson({ node, nodeName, lost, engine }: EngineView): z.infer<typeof engineSchema> {
  return {
    node,
    node_name: nodeName,
    id: engine.id,
    kind: engine.kind,
    managed: engine.managed,
    state: lost ? "lost" : engine.state,
    endpoint: engine.endpoint,
    pid: engine.pid,
    restarts: engine.restarts,
    problem: lost ? `node ${nodeName} is not heard of` : engine.problem,
    start: lost ? `flock node show ${nodeName}` : engine.start,
    note: engine.note ?? null,
    models: [...engine.models],
  };
}
