import { z } from "zod";

const name = z.string().min(1).max(200);
const positive = z.number().positive();
const count = z.int().positive();

/** A model's id is what clients send and a file name at once. */
const modelId = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,79}$/, "must be of a-z, 0-9, dot, dash and underscore");

const day = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, "must be a date like 2026-01-31")
  .refine((text) => new Date(`${text}T00:00:00Z`).toISOString().startsWith(text), "is no day of the calendar");

/** What a cache of keys and values costs follows from these. A fact that nobody could name is left out. */
const architecture = z.strictObject({
  layers: count.optional(),
  /** Layers whose cache grows with the context, when not all do. */
  kv_layers: count.optional(),
  kv_heads: count.optional(),
  head_dim: count.optional(),
  /** Tokens that a layer with a window looks back. */
  sliding_window: count.optional(),
  chunked_attention: count.optional(),
  /** Latent attention: a token costs `kv_lora_rank + rope_dim` values a layer. */
  mla: z.strictObject({ kv_lora_rank: count, rope_dim: count }).optional(),
  /** In words, where the numbers above do not say it. */
  attention: name.optional(),
  embedding_dim: count.optional(),
});

const sources = z.strictObject({
  hf: name.optional(),
  /** A 4-bit file; of a model in several parts the first. */
  gguf: z.strictObject({ repo: name, file: name.optional(), size_gb: positive.optional() }).optional(),
  ollama: name.optional(),
  mlx: name.optional(),
  vllm: name.optional(),
});

/** With 4-bit weights and 8,192 tokens of context. Gigabytes are 10^9 bytes. */
const hardware = z.strictObject({
  weights_gb: positive.optional(),
  kv_cache_gb_at_8k: positive.optional(),
  min_ram_gb: positive.optional(),
  min_vram_gb: positive.optional(),
});

const sharding = z.strictObject({
  /** No single machine is expected to hold it. */
  required: z.boolean(),
  min_total_ram_gb: positive.optional(),
  nodes_of_128_gb: count.optional(),
});

/** One file of the catalogue. The admin API sends it as it is. */
export const catalogEntry = z.strictObject({
  id: modelId,
  aliases: z.array(modelId).optional(),
  name,
  family: name,
  vendor: name,
  released: day,
  license: name,
  /** Billions. */
  parameters: z.strictObject({ total_b: positive, active_b: positive }),
  architecture: architecture.optional(),
  context_length: count.optional(),
  capabilities: z
    .array(z.enum(["chat", "code", "tools", "reasoning", "vision", "audio", "embedding", "rerank"]))
    .min(1),
  sources,
  hardware: hardware.optional(),
  /** Those that can serve it; none: it is listed for its facts. */
  engines: z.array(z.enum(["embedded", "ollama", "vllm", "mlx", "llamacpp"])),
  sharding,
  /** Tried in this order when the model cannot answer. */
  fallback: z.array(modelId),
  /** Paths of the facts that were computed or inferred, not read from their source. */
  estimated: z.array(name).optional(),
});

export type CatalogEntry = z.infer<typeof catalogEntry>;
