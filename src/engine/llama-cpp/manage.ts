import { z } from "zod";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { unambiguousSyntaxOf } from "../../dialect/tool-text/tool-syntax.ts";
import type { Endpoint, EngineInfo, EngineManager } from "../driver.ts";
import { askEngine } from "../ask-engine.ts";
import { loraFor, readAdapters } from "./adapters.ts";

export const LLAMA_SERVER_START = "llama-server -m <model.gguf> --port 8089";

/** The parts of `GET /props` that are looked at; their presence is what tells llama-server from any other server. */
const props = z.looseObject({
  default_generation_settings: z.looseObject({ n_ctx: z.int().positive() }),
  total_slots: z.int().positive(),
  build_info: z.string().optional(),
  modalities: z.looseObject({ vision: z.boolean().optional(), audio: z.boolean().optional() }).optional(),
  chat_template: z.string().optional(),
  chat_template_caps: z.looseObject({ supports_tools: z.boolean().optional() }).optional(),
});
const models = z.looseObject({ data: z.array(z.looseObject({ id: z.string().min(1) })).min(1) });

export const llamaCppManager: EngineManager = {
  kind: "llamacpp",
  startCommand: LLAMA_SERVER_START,
  probe,
};

async function probe(at: Endpoint, signal: AbortSignal): Promise<Result<EngineInfo, Failure>> {
  const health = await askEngine(at, "/health", signal);
  // 503 is "Loading model": there, but not to be used yet.
  if (!health.ok || health.value.status === 503) return err(unreachable(at));
  if (health.value.status !== 200) return err(failed(`its /health answers with status ${health.value.status}`));
  const [listed, described, embeddings, rerank, adapters] = await Promise.all([
    askEngine(at, "/v1/models", signal),
    askEngine(at, "/props", signal),
    isStartedFor(at, "/v1/embeddings", signal),
    isStartedFor(at, "/v1/rerank", signal),
    readAdapters(at, signal),
  ]);
  if (!listed.ok || !described.ok) return err(unreachable(at));
  if (listed.value.status === 401 || described.value.status === 401) {
    return err(failed("it does not accept the API key: flock config edit (engine.llamacpp_api_key)"));
  }
  const info = props.safeParse(described.value.body);
  const list = models.safeParse(listed.value.body);
  if (!info.success || !list.success) return err(failed(`what answers at ${at.url} is not llama-server`));
  const { modalities, chat_template_caps: caps } = info.data;
  const abilities = {
    chat: true,
    embeddings,
    rerank,
    tools: caps?.supports_tools ?? false,
    images: modalities?.vision ?? false,
    audio: modalities?.audio ?? false,
    thinking: false,
  };
  const toolSyntax = unambiguousSyntaxOf(info.data.chat_template);
  const shared = {
    contextTokens: info.data.default_generation_settings.n_ctx,
    slots: info.data.total_slots,
    abilities,
    smokeTest: false,
    ...(toolSyntax === undefined ? {} : { toolSyntax }),
  };
  const served = list.data.data.map(({ id }) => ({ model: toModelId(id), engineModel: id, ...shared }));
  const [base] = served;
  const adapted = base === undefined ? [] : adapters;
  return ok({
    version: info.data.build_info ?? "unknown",
    gpu: null,
    models: [
      ...served.map((one) => (adapted.length === 0 ? one : { ...one, lora: loraFor(adapted, null) })),
      ...adapted.map((adapter) => ({
        model: adapter.model,
        engineModel: base?.engineModel ?? adapter.model,
        ...shared,
        ...(base === undefined ? {} : { parent: base.model }),
        lora: loraFor(adapted, adapter),
      })),
    ],
  });
}

/** What it says of an empty body: 501 names the flag that it was not started with, 400 only what is missing. */
async function isStartedFor(at: Endpoint, path: string, signal: AbortSignal): Promise<boolean> {
  const answer = await askEngine(at, path, signal, { body: {} });
  return answer.ok && answer.value.status === 400;
}

/** Without --alias the id is the path of the file. */
function toModelId(id: string): string {
  const name = id.split(/[/\\]/).at(-1) ?? id;
  return name.replace(/(-00001-of-\d{5})?\.gguf$/i, "").toLowerCase();
}

function unreachable(at: Endpoint): Failure {
  return { kind: "engine_unreachable", engine: "llama-server", endpoint: at.url, start: LLAMA_SERVER_START };
}

function failed(cause: string): Failure {
  return { kind: "engine_failed", engine: "llama-server", cause };
}
