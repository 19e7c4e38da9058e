import {
  getLlama,
  InsufficientMemoryError,
  type Llama,
  type LlamaContextSequence,
  type LlamaModel,
  type Token,
} from "node-llama-cpp";
import { err, ok, type Result } from "../../core/result.ts";
import { gatheringBatches } from "./batching.ts";
import type { Counters } from "./counters.ts";
import { EmbeddingContext } from "./embeddings.ts";
import { SequencePool } from "./sequence-pool.ts";
import type { EngineSettings } from "./settings.ts";
import { TOOL_MARKS } from "./answer/tool-syntax.ts";
import { GrammarCache } from "./grammar/grammar-cache.ts";
import { type ChatTemplate, chatTemplate } from "./template/chat-template.ts";
import { controlTokens } from "./template/control-text.ts";

/** A context this wide fits any machine; a wider one is the agent's decision, which knows the memory. */
const DEFAULT_CONTEXT_TOKENS = 8192;

export interface LoadedModel {
  readonly model: LlamaModel;
  readonly pool: SequencePool<LlamaContextSequence>;
  readonly template: ChatTemplate;
  readonly grammars: GrammarCache;
  /** Control tokens that stand around calls and thinking: text to us. */
  readonly marks: ReadonlyMap<Token, string>;
  readonly embeddings: EmbeddingContext;
  /** Tokens of one sequence. */
  readonly contextTokens: number;
  /** What it computes on, e.g. `CUDA: NVIDIA GeForce RTX 4090`; null: the CPU. */
  readonly gpu: string | null;
  readonly llamaCppRelease: string;
}

/** The error is one line for a person, without the file's path. */
export async function loadModel(
  settings: EngineSettings,
  signal: AbortSignal,
  log: (line: string) => void,
  counters: Pick<Counters, "sequencesBusy">,
): Promise<Result<LoadedModel, string>> {
  try {
    const llama = await openLlama(settings, log);
    const model = await llama.loadModel({ modelPath: settings.modelPath, loadSignal: signal });
    const trained = model.trainContextSize;
    const wanted = settings.contextTokens || DEFAULT_CONTEXT_TOKENS;
    if (settings.contextTokens > trained) {
      log(
        `context: ${settings.contextTokens} tokens asked for, the model was trained for ${trained}; using ${trained}`,
      );
    }
    const context = await model.createContext({
      contextSize: Math.min(wanted, trained),
      sequences: settings.slots,
      threads: settings.threads,
      batching: { itemPrioritizationStrategy: gatheringBatches(() => counters.sequencesBusy) },
      createSignal: signal,
    });
    const sequences = Array.from({ length: settings.slots }, () =>
      context.getSequence({ checkpoints: { interval: false } }),
    );
    const template = chatTemplate(model, log);
    const { open, close } = template.thinkingTags ?? { open: "", close: "" };
    return ok({
      model,
      pool: new SequencePool(sequences),
      template,
      grammars: new GrammarCache(llama, model),
      marks: controlTokens(model, [...TOOL_MARKS, open, close]),
      embeddings: new EmbeddingContext(model, context.contextSize, settings.threads),
      contextTokens: context.contextSize,
      gpu: await gpuName(llama),
      llamaCppRelease: llama.llamaCppRelease.release,
    });
  } catch (error) {
    return err(reasonOf(error, settings));
  }
}

async function openLlama(settings: EngineSettings, log: (line: string) => void): Promise<Llama> {
  const options = {
    // Never compile or download at a user's machine: what the package brought is what there is.
    build: "never",
    skipDownload: true,
    progressLogs: false,
    // By default the library takes four threads on two cores, which spin against each other: 5 tokens/s instead of 835.
    maxThreads: settings.threads,
    logger: (level: string, message: string) => log(`llama.cpp ${level}: ${message.trim()}`),
  } as const;
  if (settings.gpu === "off") return await getLlama({ ...options, gpu: false });
  try {
    return await getLlama({ ...options, gpu: "auto" });
  } catch (error) {
    log(`no GPU build works here, using the CPU: ${String(error)}`);
    return await getLlama({ ...options, gpu: false });
  }
}

async function gpuName(llama: Llama): Promise<string | null> {
  if (llama.gpu === false) return null;
  const devices = await llama.getGpuDeviceNames();
  return `${llama.gpu === "cuda" ? "CUDA" : llama.gpu === "metal" ? "Metal" : "Vulkan"}: ${devices.join(", ")}`;
}

function reasonOf(error: unknown, settings: EngineSettings): string {
  if (error instanceof InsufficientMemoryError) {
    return `not enough memory for ${settings.slots} × ${settings.contextTokens || DEFAULT_CONTEXT_TOKENS} tokens of context: lower the context or the slots`;
  }
  const text = error instanceof Error ? error.message : String(error);
  return `the model cannot be loaded: ${text.replaceAll(settings.modelPath, "the file").split("\n")[0]}`;
}
