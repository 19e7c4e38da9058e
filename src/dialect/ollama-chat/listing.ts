import { createHash } from "node:crypto";
import type { JsonObject } from "../../core/chat-request.ts";
import type { Replica } from "../../core/replica.ts";

/** The API version that is spoken here. Clients read it: VS Code refuses anything below 0.6.4. */
const OLLAMA_API_VERSION = "0.30.0";

/** What is known of a model beyond what an engine says; all of it may be missing. */
export interface ModelFacts {
  /** `gguf`, `safetensors`, … */
  readonly format?: string;
  /** The architecture: `llama`, `qwen3`, … */
  readonly family?: string;
  readonly parameterCount?: number;
  /** `Q4_K_M`, … */
  readonly quantization?: string;
  readonly embeddingLength?: number;
  readonly sizeBytes?: number;
  readonly license?: string;
}

export interface ListedModel {
  /** The id that clients use. */
  readonly model: string;
  readonly contextTokens: number;
  readonly abilities: Replica["abilities"];
  /** Epoch ms. */
  readonly modifiedAt: number;
  readonly facts?: ModelFacts;
}

/** Where time has no end: `ollama ps` says "Forever" of anything beyond 20 years. */
const FOREVER = "2318-01-01T00:00:00Z";

/** `qwen3:latest` is `qwen3` to Ollama's clients, and some add the tag on their own. */
export function withoutLatestTag(model: string): string {
  return model.replace(/:latest$/, "");
}

/** Answer of `GET /api/version`. */
export function toVersion(version = OLLAMA_API_VERSION): JsonObject {
  return { version };
}

/** Answer of `GET /api/tags`. */
export function toTags(models: readonly ListedModel[]): JsonObject {
  const entries = models.map((one) => ({
    name: one.model,
    model: one.model,
    modified_at: toTime(one.modifiedAt),
    size: one.facts?.sizeBytes ?? 0,
    digest: digestOf(one.model),
    details: toDetails(one),
    capabilities: toCapabilities(one),
  }));
  return { models: entries };
}

export interface LoadedModel extends ListedModel {
  readonly memoryBytes: number;
  /** Of `memoryBytes`, on GPUs. */
  readonly gpuMemoryBytes: number;
  /** Epoch ms; null: it stays. */
  readonly expiresAt: number | null;
}

/** Answer of `GET /api/ps`. */
export function toPs(models: readonly LoadedModel[]): JsonObject {
  const entries = models.map((one) => ({
    name: one.model,
    model: one.model,
    size: one.memoryBytes,
    digest: digestOf(one.model),
    details: toDetails(one),
    expires_at: one.expiresAt === null ? FOREVER : toTime(one.expiresAt),
    size_vram: one.gpuMemoryBytes,
    context_length: one.contextTokens,
  }));
  return { models: entries };
}

/** Answer of `POST /api/show`. The members named after the architecture are where clients read the context size. */
export function toShow(model: ListedModel): JsonObject {
  const { facts, contextTokens } = model;
  const family = familyOf(model);
  return {
    ...(facts?.license === undefined ? {} : { license: facts.license }),
    modelfile: `# Served by Flock.\nFROM ${model.model}\nPARAMETER num_ctx ${contextTokens}\n`,
    parameters: `num_ctx                        ${contextTokens}`,
    // Editors look for the suffix in it to learn whether a model fills gaps.
    template: model.abilities.insert ? INSERT_TEMPLATE : "{{ .Prompt }}",
    details: toDetails(model),
    model_info: {
      "general.architecture": family,
      "general.basename": model.model,
      ...(facts?.parameterCount === undefined ? {} : { "general.parameter_count": facts.parameterCount }),
      [`${family}.context_length`]: contextTokens,
      ...(facts?.embeddingLength === undefined ? {} : { [`${family}.embedding_length`]: facts.embeddingLength }),
    },
    capabilities: toCapabilities(model),
    modified_at: toTime(model.modifiedAt),
  };
}

const INSERT_TEMPLATE = "{{ .Prompt }}{{ if .Suffix }}{{ .Suffix }}{{ end }}";

function toDetails(model: ListedModel): JsonObject {
  const { facts, contextTokens } = model;
  const family = familyOf(model);
  return {
    parent_model: "",
    format: facts?.format ?? "gguf",
    family,
    families: [family],
    parameter_size: facts?.parameterCount === undefined ? "" : parameterSize(facts.parameterCount),
    quantization_level: facts?.quantization ?? "",
    context_length: contextTokens,
    ...(facts?.embeddingLength === undefined ? {} : { embedding_length: facts.embeddingLength }),
  };
}

function familyOf({ facts }: ListedModel): string {
  return facts?.family ?? "unknown";
}

function toCapabilities({ abilities }: ListedModel): string[] {
  const capabilities: string[] = [];
  if (abilities.chat) capabilities.push("completion");
  if (abilities.tools) capabilities.push("tools");
  if (abilities.insert) capabilities.push("insert");
  if (abilities.images) capabilities.push("vision");
  if (abilities.embeddings) capabilities.push("embedding");
  if (abilities.thinking) capabilities.push("thinking");
  if (abilities.audio) capabilities.push("audio");
  return capabilities;
}

/** `8.0B`, `494.03M`, as Ollama writes them. */
function parameterSize(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)}B`;
  if (count >= 1e6) return `${(count / 1e6).toFixed(2)}M`;
  return count >= 1e3 ? `${(count / 1e3).toFixed(0)}K` : String(count);
}

/** Stands in for the digest of a model's files: 64 hex digits, the same for the same id wherever it is served. */
function digestOf(model: string): string {
  return createHash("sha256").update(`flock model ${model}`).digest("hex");
}

function toTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
