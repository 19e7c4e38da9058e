import { z } from "zod";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { Endpoint, EngineInfo, EngineManager, LaunchSpec } from "../driver.ts";
import { askEngine } from "../ask-engine.ts";
import { ENGINE_NAME } from "./props.ts";

export const EMBEDDED_START = "flock up";

/** Loading is reading the file: what even a slow disk or network share gives, and time for the GPU's set-up. */
const SLOW_DISK_BYTES_PER_MS = 30_000;
const BASE_READY_TIMEOUT_MS = 60_000;

const health = z.looseObject({ status: z.string(), reason: z.string().optional() });
const props = z.looseObject({
  engine: z.literal(ENGINE_NAME),
  version: z.string(),
  model_alias: z.string().min(1),
  default_generation_settings: z.looseObject({ n_ctx: z.int().positive() }),
  total_slots: z.int().positive(),
  gpu: z.string().nullable(),
  abilities: z.looseObject({
    chat: z.boolean(),
    embeddings: z.boolean(),
    rerank: z.boolean(),
    tools: z.boolean(),
    thinking: z.boolean(),
    insert: z.boolean().optional(),
  }),
  smoke_test: z.boolean(),
});

export const embeddedManager: EngineManager = { kind: "embedded", startCommand: EMBEDDED_START, probe };

export interface EmbeddedLaunch {
  /** Names the log and the state file. */
  readonly id: string;
  readonly modelPath: string;
  readonly modelId: string;
  readonly modelBytes: number;
  /** 0: as fits, at most the model's own. */
  readonly contextTokens: number;
  /** 0: as fits. */
  readonly slots: number;
  readonly threads: number;
  readonly gpu: "auto" | "off";
  /** What runs the child: the executable, then what comes before the model. */
  readonly childCommand: readonly string[];
  /** The child's environment but for its settings. */
  readonly childEnv: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/**
 * Without the secret, the port and the ready file: those belong to one life of the child, and whoever spawns it adds
 * them (`FLOCK_ENGINE_SECRET`, `FLOCK_ENGINE_PORT`, `FLOCK_ENGINE_READY_FILE`).
 */
export function embeddedLaunch(launch: EmbeddedLaunch): LaunchSpec {
  const [command, ...before] = launch.childCommand;
  if (command === undefined) throw new Error("the command of the engine's child is empty");
  return {
    id: launch.id,
    kind: "embedded",
    command,
    args: [...before, launch.modelPath],
    env: {
      ...launch.childEnv,
      FLOCK_ENGINE_MODEL_ID: launch.modelId,
      FLOCK_ENGINE_CONTEXT: String(launch.contextTokens),
      FLOCK_ENGINE_SLOTS: String(launch.slots),
      FLOCK_ENGINE_THREADS: String(launch.threads),
      FLOCK_ENGINE_GPU: launch.gpu,
    },
    cwd: launch.cwd,
    readyTimeoutMs: BASE_READY_TIMEOUT_MS + Math.ceil(launch.modelBytes / SLOW_DISK_BYTES_PER_MS),
  };
}

async function probe(at: Endpoint, signal: AbortSignal): Promise<Result<EngineInfo, Failure>> {
  const alive = await askEngine(at, "/health", signal);
  if (!alive.ok) return err(unreachable(at));
  const state = health.safeParse(alive.value.body);
  if (!state.success) return err(failed(`what answers at ${at.url} is not Flock's engine`));
  if (state.data.status === "failed") return err(failed(state.data.reason ?? "its model cannot be loaded"));
  if (state.data.status !== "ok") return err(unreachable(at));
  const described = await askEngine(at, "/props", signal);
  if (!described.ok) return err(unreachable(at));
  if (described.value.status === 401) return err(failed("it does not accept the secret: it is another one's child"));
  const info = props.safeParse(described.value.body);
  if (!info.success) return err(failed(`what answers at ${at.url} is not Flock's engine`));
  const { data } = info;
  return ok({
    version: data.version,
    gpu: data.gpu,
    models: [
      {
        model: data.model_alias,
        engineModel: data.model_alias,
        contextTokens: data.default_generation_settings.n_ctx,
        slots: data.total_slots,
        abilities: {
          chat: data.abilities.chat,
          embeddings: data.abilities.embeddings,
          rerank: data.abilities.rerank,
          tools: data.abilities.tools,
          images: false,
          audio: false,
          thinking: data.abilities.thinking,
          ...(data.abilities.insert ? { insert: true } : {}),
        },
        smokeTest: data.smoke_test,
      },
    ],
  });
}

function unreachable(at: Endpoint): Failure {
  return { kind: "engine_unreachable", engine: "embedded", endpoint: at.url, start: EMBEDDED_START };
}

function failed(cause: string): Failure {
  return { kind: "engine_failed", engine: "embedded", cause };
}
