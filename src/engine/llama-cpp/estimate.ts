import { choicesOf, SHARE_LEFT } from "../fit.ts";
import type { GgufHeader } from "./gguf-header.ts";

const F16_BYTES = 2;
/** llama.cpp evaluates a prompt in pieces of so many tokens. */
const UBATCH_TOKENS = 512;
const PADDED_TO_TOKENS = 256;
const FIXED_BYTES = 64 * 2 ** 20;

export interface LlamaServerEstimate {
  readonly trainedTokens: number;
  /** Beside the weights. */
  contextBytes(contextTokens: number, slots: number): number;
}

export interface Shape {
  readonly contextTokens: number;
  readonly slots: number;
}

/**
 * Context and slots for a llama-server, out of the memory that the machine has and not what is free just now: the same at
 * every start, so that a running server is taken over. When nothing fits it is the least; llama-server says why then.
 */
export function chooseShape(
  wish: Shape,
  estimate: LlamaServerEstimate,
  weightsBytes: number,
  memoryBytes: number,
): Shape {
  const choices = choicesOf(wish, estimate.trainedTokens);
  const share = choices.length > 1 ? SHARE_LEFT : 1;
  const fits = ({ contextTokens, slots }: Shape): boolean =>
    estimate.contextBytes(contextTokens, slots) <= (memoryBytes - weightsBytes) * share;
  return choices.find(fits) ?? choices.at(-1) ?? wish;
}

/**
 * What a model takes in llama-server, from its file's head alone: keys and values of 16 bits for every layer that has
 * them, a window's worth where a layer looks back only so far, and the buffers of one piece of a prompt.
 */
export function estimateLlamaServer(header: GgufHeader): LlamaServerEstimate {
  const named = header.get("general.architecture");
  const architecture = typeof named === "string" ? named : "llama";
  const read = (name: string): unknown => header.get(`${architecture}.${name}`);
  const number = (name: string): number | null => {
    const value = read(name);
    return typeof value === "number" ? value : null;
  };
  const layers = number("block_count") ?? 32;
  const embedding = number("embedding_length") ?? 4096;
  const heads = firstOf(read("attention.head_count")) ?? 32;
  const keyLength = number("attention.key_length") ?? Math.ceil(embedding / heads);
  const valueLength = number("attention.value_length") ?? Math.ceil(embedding / heads);
  const kvHeads = perLayer(read("attention.head_count_kv"), layers, heads);
  const window = number("attention.sliding_window");
  const vocabulary = sizeOf(header.get("tokenizer.ggml.tokens")) ?? number("vocab_size") ?? 32_000;
  const latent = number("attention.kv_lora_rank");
  const rope = number("rope.dimension_count") ?? 64;
  return {
    trainedTokens: number("context_length") ?? 4096,
    contextBytes(contextTokens: number, slots: number) {
      const all = Math.ceil((contextTokens * slots) / PADDED_TO_TOKENS) * PADDED_TO_TOKENS;
      let cacheBytes = 0;
      for (const [layer, count] of kvHeads.entries()) {
        const looksBack = window !== null && isWindowed(read("attention.sliding_window_pattern"), layer);
        const tokens = looksBack ? Math.min(all, window * slots + UBATCH_TOKENS) : all;
        const values = latent === null ? count * (keyLength + valueLength) : latent + rope;
        cacheBytes += tokens * values * F16_BYTES;
      }
      const computeBytes = UBATCH_TOKENS * 4 * (vocabulary + 8 * embedding) + 4 * all * 64 + FIXED_BYTES;
      return cacheBytes + computeBytes;
    },
  };
}

/** A pattern is one flag a layer, or every how many layers one sees everything. Without one it is not counted on. */
function isWindowed(pattern: unknown, layer: number): boolean {
  if (Array.isArray(pattern)) return Boolean(pattern[layer]);
  return typeof pattern === "number" && pattern > 1 && (layer + 1) % pattern !== 0;
}

function perLayer(value: unknown, layers: number, otherwise: number): number[] {
  if (Array.isArray(value)) return value.map(Number);
  return Array.from({ length: layers }, () => (typeof value === "number" ? value : otherwise));
}

function firstOf(value: unknown): number | null {
  const first: unknown = Array.isArray(value) ? value.find((one) => Number(one) > 0) : value;
  return typeof first === "number" ? first : null;
}

function sizeOf(value: unknown): number | null {
  return typeof value === "object" && value !== null && "length" in value ? Number(value.length) : null;
}
