import { z } from "zod";
import type { Failure } from "../../core/failure.ts";
import type { ReplicaLoad } from "../../core/replica.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { askEngine } from "../ask-engine.ts";
import type { Endpoint, EngineInfo, EngineManager, ServedModel } from "../driver.ts";
import { parseMetrics } from "../llama-cpp/metrics-text.ts";

const VLLM_START = "vllm serve <model> --port 8000";

const version = z.looseObject({ version: z.string().min(1) });
const models = z.looseObject({
  data: z.array(
    z.looseObject({
      id: z.string().min(1),
      owned_by: z.literal("vllm"),
      max_model_len: z.int().positive().nullish(),
      parent: z.string().nullish(),
    }),
  ),
});

/** What it runs at once unless it was started otherwise (`--max-num-seqs`); it does not tell. */
const SLOTS = 256;
const FALLBACK_CONTEXT_TOKENS = 4_096;

export const vllmManager: EngineManager = { kind: "vllm", startCommand: VLLM_START, probe };

async function probe(at: Endpoint, signal: AbortSignal): Promise<Result<EngineInfo, Failure>> {
  const [health, listed, said] = await Promise.all([
    askEngine(at, "/health", signal),
    askEngine(at, "/v1/models", signal),
    askEngine(at, "/version", signal),
  ]);
  if (!health.ok || !listed.ok || !said.ok) return err(unreachable(at));
  if (health.value.status === 503) return err(failed("its engine process has died: start it again"));
  const parsed = version.safeParse(said.value.body);
  if (parsed.success && (listed.value.status === 401 || listed.value.status === 403)) {
    return err(failed("it does not accept the API key: set VLLM_API_KEY to what it was started with"));
  }
  const list = models.safeParse(listed.value.body);
  if (!parsed.success || !list.success) return err(failed(`what answers at ${at.url} is not vLLM`));
  const { data } = list.data;
  const life = [at.url, parsed.data.version, ...data.map(({ id }) => id)].join(" ");
  const [load, routes] = await Promise.all([readLoad(at, signal), knownRoutes(life, at, signal)]);
  const contextOf = new Map(data.map((one) => [one.id, one.max_model_len ?? null]));
  const served = data.map((one): ServedModel => {
    const parent = one.parent && contextOf.has(one.parent) ? one.parent : null;
    return {
      model: toModelId(one.id),
      engineModel: one.id,
      contextTokens: one.max_model_len ?? (parent === null ? null : contextOf.get(parent)) ?? FALLBACK_CONTEXT_TOKENS,
      slots: SLOTS,
      // What it was started with is not told (tool parser, images): it refuses by name what it lacks.
      abilities: { ...routes, tools: routes.chat, images: routes.chat, thinking: false },
      smokeTest: false,
      ...(parent === null ? {} : { parent: toModelId(parent) }),
      ...(load === null ? {} : { load }),
    };
  });
  return ok({ version: parsed.data.version, gpu: null, models: served });
}

/** A served name may be a path. */
function toModelId(id: string): string {
  return (id.startsWith("/") ? (id.split("/").at(-1) ?? id) : id).toLowerCase();
}

interface Routes {
  readonly chat: boolean;
  readonly embeddings: boolean;
  readonly rerank: boolean;
  /** A model that transcribes. */
  readonly audio: boolean;
}

/** By endpoint, version and models. Each question is a line in the server's log. */
const known = new Map<string, Routes>();

async function knownRoutes(life: string, at: Endpoint, signal: AbortSignal): Promise<Routes> {
  const before = known.get(life);
  if (before) return before;
  const routes = await readRoutes(at, signal);
  if (!signal.aborted) known.set(life, routes);
  return routes;
}

/** A server has the routes that its model is for; a GET where only POST is known is 405, an unknown path 404. */
async function readRoutes(at: Endpoint, signal: AbortSignal): Promise<Routes> {
  const has = async (path: string): Promise<boolean> => {
    const answer = await askEngine(at, path, signal);
    return answer.ok && answer.value.status !== 404;
  };
  const [chat, embeddings, rerank, audio] = await Promise.all(
    ["/v1/chat/completions", "/v1/embeddings", "/v1/rerank", "/v1/audio/transcriptions"].map((path) => has(path)),
  );
  return { chat: chat ?? false, embeddings: embeddings ?? false, rerank: rerank ?? false, audio: audio ?? false };
}

/** The queue and the KV cache, for all its models together. Null: metrics are switched off. */
async function readLoad(at: Endpoint, signal: AbortSignal): Promise<ReplicaLoad | null> {
  const answer = await askEngine(at, "/metrics", signal);
  return answer.ok && answer.value.status === 200 ? toLoad(parseMetrics(answer.value.text)) : null;
}

/** Both names of the cache's gauge: it was renamed, and exported under both for a while. */
export function toLoad(metrics: ReadonlyMap<string, number>): ReplicaLoad | null {
  const running = metrics.get("vllm:num_requests_running");
  const waiting = metrics.get("vllm:num_requests_waiting");
  if (running === undefined || waiting === undefined) return null;
  const usage = metrics.get("vllm:kv_cache_usage_perc") ?? metrics.get("vllm:gpu_cache_usage_perc") ?? null;
  // Steps of a hundredth: each change is told to the leader.
  return { running, waiting, kvCacheUsage: usage === null ? null : Math.round(usage * 100) / 100 };
}

function unreachable(at: Endpoint): Failure {
  return { kind: "engine_unreachable", engine: "vllm", endpoint: at.url, start: VLLM_START };
}

function failed(cause: string): Failure {
  return { kind: "engine_failed", engine: "vllm", cause };
}
