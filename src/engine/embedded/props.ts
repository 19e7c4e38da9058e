import type { LoadedModel } from "./load-model.ts";

/** Says in /props who answers, so that the agent does not take another server for this engine. */
export const ENGINE_NAME = "flock-embedded";

/** `GET /props`: the fields that llama-server has too stand where it has them. */
export function describeModel(loaded: LoadedModel, modelId: string): object {
  const { model } = loaded;
  return {
    engine: ENGINE_NAME,
    version: `llama.cpp ${loaded.llamaCppRelease}`,
    model_alias: modelId,
    architecture: model.fileInfo.metadata.general.architecture,
    default_generation_settings: { n_ctx: loaded.contextTokens },
    n_ctx_train: model.trainContextSize,
    total_slots: loaded.pool.size,
    gpu: loaded.gpu,
    chat_template: loaded.template.source,
    chat_template_caps: { supports_tools: loaded.template.knowsTools, tool_syntax: loaded.template.toolSyntax },
    abilities: {
      chat: canChat(loaded),
      embeddings: canEmbed(loaded),
      rerank: loaded.ranking.canRank,
      tools: loaded.template.knowsTools,
      insert: model.tokens.infill.prefix !== null && model.tokens.infill.suffix !== null,
      thinking: loaded.template.thinkingTags !== null,
    },
    embedding_size: model.embeddingVectorSize,
    smoke_test: isSmokeTest(loaded),
    memory: plannedMemory(loaded),
  };
}

/** `GET /memory`: what was planned, and what the process takes now. */
export function describeMemory(loaded: LoadedModel): object {
  return { ...plannedMemory(loaded), rss_bytes: process.memoryUsage.rss() };
}

function plannedMemory({ memory }: LoadedModel): object {
  return {
    weights_bytes: memory.weightsBytes,
    context_bytes: memory.cacheBytes,
    compute_bytes: memory.computeBytes,
    free_bytes_before: memory.freeBytes,
  };
}

/** `GET /v1/models`. */
export function listModels(loaded: LoadedModel, modelId: string, nowMs: number): object {
  const { fileInsights } = loaded.model;
  const meta = {
    n_ctx: loaded.contextTokens,
    n_ctx_train: loaded.model.trainContextSize,
    n_embd: loaded.model.embeddingVectorSize,
    n_params: fileInsights.totalParameters,
    size: fileInsights.modelSize,
  };
  return {
    object: "list",
    data: [{ id: modelId, object: "model", created: Math.floor(nowMs / 1000), owned_by: "flock", meta }],
  };
}

/** Rerankers and encoders read and write nothing. */
export function canChat({ model, ranking }: LoadedModel): boolean {
  const attention = (model.fileInfo.architectureMetadata as unknown as Record<string, unknown>)["attention"];
  const causal = (attention as Record<string, unknown> | undefined)?.["causal"] ?? true;
  return !ranking.canRank && causal !== false;
}

function canEmbed({ model }: LoadedModel): boolean {
  return !(model.fileInsights.hasEncoder && model.fileInsights.hasDecoder);
}

/** Our own key in the file of the bundled model; see scripts/gguf/tiny-model.ts. */
function isSmokeTest({ model }: LoadedModel): boolean {
  const flock = (model.fileInfo.metadata as unknown as Record<string, unknown>)["flock"];
  return typeof flock === "object" && flock !== null && (flock as Record<string, unknown>)["smoke_test"] === true;
}
