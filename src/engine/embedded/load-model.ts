import {
  getLlama,
  InsufficientMemoryError,
  type Llama,
  type LlamaContextSequence,
  type LlamaModel,
  type Token,
} from "node-llama-cpp";
import { codeOf } from "../../core/error-code.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { gatheringBatches, numberSequences } from "./batching.ts";
import type { Counters } from "./counters.ts";
import { EmbeddingContext } from "./embeddings.ts";
import { estimateMemory, freeMemoryFor } from "./estimate-memory.ts";
import { type Fit, fit } from "../fit.ts";
import { RankingContext } from "./rerank.ts";
import { SequencePool } from "./sequence-pool.ts";
import type { EngineSettings } from "./settings.ts";
import { SliceSize } from "./slice-size.ts";
import { HARMONY_MARKS } from "./answer/harmony.ts";
import { TOOL_MARKS } from "../../dialect/tool-text/tool-syntax.ts";
import { GrammarCache } from "./grammar/grammar-cache.ts";
import { type ChatTemplate, chatTemplate } from "./template/chat-template.ts";
import { controlTokens, silentTokens } from "./template/control-text.ts";

/** States of one sequence that are kept to go back to, for models whose state cannot be cut. */
const MOST_CHECKPOINTS = 4;

export interface LoadedModel {
  readonly model: LlamaModel;
  readonly pool: SequencePool<LlamaContextSequence>;
  readonly template: ChatTemplate;
  readonly grammars: GrammarCache;
  /** Control tokens that stand around calls and thinking: text to us. */
  readonly marks: ReadonlyMap<Token, string>;
  /** All tokens that are text to nobody, those marks among them. */
  readonly silent: readonly Token[];
  readonly embeddings: EmbeddingContext;
  readonly ranking: RankingContext;
  readonly sliceSize: SliceSize;
  /** Tokens of one sequence. */
  readonly contextTokens: number;
  /** What it computes on, e.g. `CUDA: NVIDIA GeForce RTX 4090`; null: the CPU. */
  readonly gpu: string | null;
  readonly llamaCppRelease: string;
  /** As it was planned before anything was allocated. */
  readonly memory: Fit;
}

/** The error is one line for a person, without the file's path. */
export async function loadModel(
  settings: EngineSettings,
  signal: AbortSignal,
  log: (line: string) => void,
  counters: Pick<Counters, "sequencesBusy" | "batches">,
): Promise<Result<LoadedModel, string>> {
  try {
    const llama = await openLlama(settings, log);
    const estimate = await estimateMemory(llama, settings.modelPath, signal);
    const freeBytes = settings.freeBytes ?? (await freeMemoryFor(llama, signal));
    const { contextTokens, slots } = settings;
    const memory = await fit({ contextTokens, slots, freeBytes }, estimate);
    if (!memory.ok) return memory;
    const model = await llama.loadModel({ modelPath: settings.modelPath, loadSignal: signal });
    const trained = model.trainContextSize;
    if (contextTokens > trained) {
      log(`context: ${contextTokens} tokens asked for, the model was trained for ${trained}; using ${trained}`);
    }
    const context = await model.createContext({
      contextSize: memory.value.contextTokens,
      sequences: memory.value.slots,
      threads: settings.threads,
      batching: { itemPrioritizationStrategy: gatheringBatches(counters) },
      createSignal: signal,
    });
    const sequences = Array.from({ length: memory.value.slots }, () =>
      context.getSequence({ checkpoints: { interval: false, max: MOST_CHECKPOINTS } }),
    );
    numberSequences(sequences);
    const template = chatTemplate(model, log);
    const { open, close } = template.thinkingTags ?? { open: "", close: "" };
    return ok({
      model,
      pool: new SequencePool(sequences),
      sliceSize: new SliceSize(),
      template,
      grammars: new GrammarCache(llama, model),
      marks: controlTokens(model, [...(template.toolSyntax === "harmony" ? HARMONY_MARKS : TOOL_MARKS), open, close]),
      silent: silentTokens(model),
      ranking: new RankingContext(model, context.contextSize, settings.threads),
      embeddings: new EmbeddingContext(model, context.contextSize, settings.threads),
      contextTokens: context.contextSize,
      gpu: await gpuName(llama),
      llamaCppRelease: llama.llamaCppRelease.release,
      memory: memory.value,
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
    return "not enough memory for the context: use a smaller --engine-embedded-context or --engine-embedded-slots";
  }
  if (codeOf(error) === "ENOENT") return "the model cannot be loaded: its file is not there any more";
  const text = error instanceof Error ? error.message : String(error);
  return `the model cannot be loaded: ${text.replaceAll(settings.modelPath, "the file").split("\n")[0]}`;
}
