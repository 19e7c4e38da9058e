import { z } from "zod";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { type Answer, askEngine } from "../ask-engine.ts";
import type { Endpoint, EngineInfo, EngineManager, ServedModel } from "../driver.ts";
import { contextOf } from "./model-context.ts";

export const MLX_START = "mlx_lm.server --model <model> --port 8088";

/** The server's own word for the model that it was started with. Any other word makes it load, or download, another. */
const STARTED_WITH = "default_model";

const health = z.strictObject({ status: z.string() });
const models = z.looseObject({ data: z.array(z.looseObject({ id: z.string().min(1), object: z.literal("model") })) });

export interface MlxSettings {
  /** "": the one that it lists. */
  readonly model: string;
  readonly slots: number;
  /** 0: as the model's files say. */
  readonly contextTokens: number;
}

export function mlxManager(settings: MlxSettings): EngineManager {
  const probe = async (at: Endpoint, signal: AbortSignal): Promise<Result<EngineInfo, Failure>> => {
    const [alive, listed] = await Promise.all([askEngine(at, "/health", signal), askEngine(at, "/v1/models", signal)]);
    if (!alive.ok || !listed.ok) return err(unreachable(at));
    const ids = isMlx(alive.value) ? listedIds(listed.value) : null;
    if (ids !== null && alive.value.status === 503) return err(failed("its generation has died: start it again"));
    if (ids === null) return err(failed(`what answers at ${at.url} is not mlx_lm.server`));
    const served = servedId(ids, settings.model);
    // It tells its version only in answers.
    const info = { version: "server", gpu: null };
    if (served === null) return ok({ ...info, models: [], advice: whichOne(at, ids) });
    return ok({ ...info, models: [await describe(served, settings)] });
  };
  return { kind: "mlx", startCommand: MLX_START, probe };
}

/** Python's plain HTTP server; Flock, whose default port is the same, has no `/health`. */
function isMlx({ status, body, server }: Answer): boolean {
  return (status === 200 || status === 503) && server.startsWith("BaseHTTP/") && health.safeParse(body).success;
}

/** Where there is no cache of models yet it fails in the middle of its answer: a 200 and nothing else. */
function listedIds({ status, body, text }: Answer): string[] | null {
  if (status === 200 && text === "") return [];
  const parsed = models.safeParse(body);
  return parsed.success ? parsed.data.data.map(({ id }) => id) : null;
}

/**
 * Its list is all that it finds in the cache; what was given as a path stands there as one. Nothing tells which of several
 * it has loaded, and asking for another would load that in its place.
 */
function servedId(ids: readonly string[], configured: string): string | null {
  if (configured !== "") return configured;
  const [only] = ids;
  return ids.find((id) => id.startsWith("/")) ?? (ids.length === 1 && only !== undefined ? only : null);
}

async function describe(id: string, settings: MlxSettings): Promise<ServedModel> {
  const isPath = id.startsWith("/");
  return {
    model: (isPath ? (id.split("/").at(-1) ?? id) : id).toLowerCase(),
    engineModel: isPath ? STARTED_WITH : id,
    contextTokens: settings.contextTokens || (await contextOf(id)),
    slots: settings.slots,
    abilities: {
      chat: true,
      embeddings: false,
      rerank: false,
      // What a template makes of tools shows only in an answer.
      tools: true,
      images: false,
      audio: false,
      thinking: true,
    },
    smokeTest: false,
  };
}

function whichOne(at: Endpoint, ids: readonly string[]): string {
  if (ids.length === 0) return `mlx_lm.server at ${at.url} lists no model: start it with one: ${MLX_START}`;
  const some = ids.slice(0, 3).join(", ");
  return `mlx_lm.server at ${at.url} lists ${ids.length} models (${some}) and not which it serves: flock config edit (engine.mlx_model: ${ids[0]})`;
}

function unreachable(at: Endpoint): Failure {
  return { kind: "engine_unreachable", engine: "mlx", endpoint: at.url, start: MLX_START };
}

function failed(cause: string): Failure {
  return { kind: "engine_failed", engine: "mlx", cause };
}
