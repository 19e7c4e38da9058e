import { readFileSync } from "node:fs";
import { TOKEN_TYPE, tinyVocabulary, type TinyVocabulary } from "./tiny-vocabulary.ts";
import { encodeGguf, type GgufTensor, type GgufTensorInfo, type GgufValue, writeWhole } from "./write-gguf.ts";

/**
 * `random`: seeded noise, for tests of numbers: any change of the prompt changes what follows, and it (practically)
 * never ends by itself; `packed` stores it in four bits, as real models are; `repeats` takes the same numbers over and over,
 * which is fast enough for models of a hundred megabytes. `says`: a Markov chain in one-hot vectors that answers everything with `text` and then ends.
 * A chain knows only the last word, so the words of `text` must differ from each other. `ranks`: a reranker of noise,
 * whose scores mean nothing but are always the same.
 */
export type TinyWeights =
  | {
      readonly kind: "random";
      readonly seed: number;
      readonly layers?: number;
      readonly embedding?: number;
      readonly heads?: number;
      readonly packed?: boolean;
      readonly repeats?: boolean;
    }
  /** `words` are one token each in prompts, where single characters would make long ones slow. */
  | { readonly kind: "says"; readonly text: string; readonly words?: readonly string[] }
  | { readonly kind: "ranks"; readonly seed: number };

export interface TinyModelOptions {
  readonly name?: string;
  readonly contextTokens?: number;
  /** A file of `templates/`; `none` leaves the template out. */
  readonly template?: "chatml" | "tools" | "thinking" | "none";
  /** Has tokens for filling a gap: three control tokens of the vocabulary's end. */
  readonly infill?: boolean;
  /** Marks the file as real inference without meaning, so that nobody takes it for a model to work with. */
  readonly smokeTest?: boolean;
}

export interface Shape {
  readonly layers: number;
  readonly embedding: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
}

/** Pieces of the random model besides single characters. */
const RANDOM_PIECES = [" the", " llama", " flock", " of", " and", "ing", "er", " a"];

export async function writeTinyModel(
  path: string,
  weights: TinyWeights,
  options: TinyModelOptions = {},
): Promise<void> {
  await writeWhole(path, encodeTinyModel(weights, options));
}

/** The bytes of a small llama-architecture GGUF. The same arguments give the same bytes. */
export function encodeTinyModel(weights: TinyWeights, options: TinyModelOptions = {}): Uint8Array {
  if (weights.kind === "ranks") return encodeRanker(weights.seed, options);
  if (weights.kind === "random") {
    const vocabulary = tinyVocabulary(RANDOM_PIECES);
    const { embedding = 64, heads = 4 } = weights;
    const shape = {
      layers: weights.layers ?? 4,
      embedding,
      feedForward: embedding * 2,
      heads,
      kvHeads: Math.ceil(heads / 2),
      headSize: embedding / heads,
    };
    const noise = gaussian(weights.seed);
    const tensors = randomTensors(vocabulary, shape, weights.repeats === true ? repeating(noise) : noise);
    return encodeGguf(metadata(vocabulary, shape, options), weights.packed === true ? tensors.map(packed) : tensors);
  }
  const words = weights.text.split(/(?= )/);
  const twice = words.find((word, index) => words.indexOf(word) !== index);
  if (twice !== undefined) throw new Error(`a chain has no memory: "${twice.trim()}" stands twice in the text`);
  const vocabulary = tinyVocabulary(words, weights.words);
  // One-hot vectors: as wide as the vocabulary. Attention and feed-forward are zero, so one small layer is enough.
  const shape = {
    layers: 1,
    embedding: vocabulary.tokens.length,
    feedForward: 32,
    heads: 1,
    kvHeads: 1,
    headSize: 32,
  };
  return encodeGguf(metadata(vocabulary, shape, options), chainTensors(vocabulary, shape));
}

/** The qwen3 architecture, which llama.cpp ranks with: norms of queries and keys, and a classifier in place of text. */
function encodeRanker(seed: number, options: TinyModelOptions): Uint8Array {
  const vocabulary = tinyVocabulary(RANDOM_PIECES);
  const shape = { layers: 2, embedding: 64, feedForward: 128, heads: 4, kvHeads: 2, headSize: 16 };
  const entries = metadata(vocabulary, shape, { ...options, template: "none" }).map(
    ([key, value]): [string, GgufValue] => [
      key.replace(/^llama\./, "qwen3."),
      key === "general.architecture" ? { type: "string", value: "qwen3" } : value,
    ],
  );
  const noise = randomTensors(vocabulary, shape, gaussian(seed)).filter(({ name }) => name !== "output.weight");
  const norms = Array.from({ length: shape.layers }, (_, layer) =>
    ["attn_q_norm", "attn_k_norm"].map((part) => tensor(`blk.${layer}.${part}.weight`, [shape.headSize], () => 1)),
  );
  const gauss = gaussian(seed + 1);
  return encodeGguf(
    [
      ...entries,
      ["qwen3.pooling_type", { type: "u32", value: 4 }],
      ["qwen3.classifier.output_labels", { type: "string[]", value: ["yes", "no"] }],
      ["tokenizer.chat_template.rerank", { type: "string", value: "<|im_start|>{query}\n{document}<|im_end|>" }],
    ],
    [...noise, ...norms.flat(), tensor("cls.output.weight", [shape.embedding, 2], gauss)],
  );
}

/** Matrices of the layers only: llama.cpp wants vectors in full, and the vocabulary's side is no multiple of anything. */
function packed(tensor: GgufTensor): GgufTensor {
  return tensor.name.startsWith("blk.") && tensor.shape.length === 2 ? { ...tensor, type: "q4_0" } : tensor;
}

export function metadata(
  vocabulary: TinyVocabulary,
  shape: Shape,
  { name = "tiny", contextTokens = 4096, template = "chatml", smokeTest = false, infill = false }: TinyModelOptions,
): [string, GgufValue][] {
  const u32 = (value: number): GgufValue => ({ type: "u32", value });
  const string = (value: string): GgufValue => ({ type: "string", value });
  const bool = (value: boolean): GgufValue => ({ type: "bool", value });
  const { tokens, types } = vocabulary;
  const entries: [string, GgufValue][] = [
    ["general.architecture", string("llama")],
    ["general.name", string(name)],
    ["general.file_type", u32(0)],
    ["general.quantization_version", u32(2)],
    ["llama.block_count", u32(shape.layers)],
    ["llama.context_length", u32(contextTokens)],
    ["llama.embedding_length", u32(shape.embedding)],
    ["llama.feed_forward_length", u32(shape.feedForward)],
    ["llama.attention.head_count", u32(shape.heads)],
    ["llama.attention.head_count_kv", u32(shape.kvHeads)],
    ["llama.attention.key_length", u32(shape.headSize)],
    ["llama.attention.value_length", u32(shape.headSize)],
    ["llama.attention.layer_norm_rms_epsilon", { type: "f32", value: 1e-5 }],
    ["llama.rope.dimension_count", u32(shape.headSize)],
    ["llama.rope.freq_base", { type: "f32", value: 10_000 }],
    ["llama.vocab_size", u32(tokens.length)],
    ["tokenizer.ggml.model", string("llama")],
    ["tokenizer.ggml.pre", string("default")],
    ["tokenizer.ggml.tokens", { type: "string[]", value: tokens }],
    [
      "tokenizer.ggml.scores",
      { type: "f32[]", value: types.map((type, id) => (type === TOKEN_TYPE.normal ? -id : 0)) },
    ],
    ["tokenizer.ggml.token_type", { type: "i32[]", value: types }],
    ["tokenizer.ggml.bos_token_id", u32(vocabulary.bos)],
    ["tokenizer.ggml.eos_token_id", u32(vocabulary.endOfTurn)],
    ["tokenizer.ggml.unknown_token_id", u32(0)],
    ["tokenizer.ggml.add_bos_token", bool(true)],
    ["tokenizer.ggml.add_eos_token", bool(false)],
    ["tokenizer.ggml.add_space_prefix", bool(false)],
  ];
  if (template !== "none") entries.push(["tokenizer.chat_template", string(readTemplate(template))]);
  if (infill) {
    for (const [at, mark] of ["pre", "suf", "mid"].entries()) {
      entries.push([`tokenizer.ggml.fim_${mark}_token_id`, u32(tokens.length - 3 + at)]);
    }
  }
  if (smokeTest) entries.push(["flock.smoke_test", bool(true)]);
  return entries;
}

function readTemplate(name: string): string {
  return readFileSync(new URL(`./templates/${name}.jinja`, import.meta.url), "utf8").trimEnd();
}

function randomTensors(vocabulary: TinyVocabulary, shape: Shape, gauss: () => number): GgufTensor[] {
  const { embedding } = shape;
  const size = vocabulary.tokens.length;
  return [
    tensor("token_embd.weight", [embedding, size], gauss),
    ...layerTensors(shape, () => gauss() * 0.1),
    // Control and byte tokens get no weight: what it says is printable, and it does not stop.
    tensor("output.weight", [embedding, size], (index) =>
      vocabulary.types[Math.floor(index / embedding)] === TOKEN_TYPE.normal ? gauss() * 0.3 : 0,
    ),
  ];
}

function chainTensors(vocabulary: TinyVocabulary, shape: Shape): GgufTensor[] {
  const size = vocabulary.tokens.length;
  const next = new Map<number, number>();
  let last = vocabulary.lineFeed;
  for (const id of vocabulary.pieceIds) {
    next.set(last, id);
    last = id;
  }
  return [
    tensor("token_embd.weight", [size, size], (index) => (index % size === Math.floor(index / size) ? 1 : 0)),
    ...layerTensors(shape, () => 0),
    tensor("output.weight", [size, size], (index) => {
      const following = next.get(index % size) ?? vocabulary.endOfTurn;
      return following === Math.floor(index / size) ? 1 : 0;
    }),
  ];
}

function layerTensors(shape: Shape, weight: () => number): GgufTensor[] {
  return layerInfos(shape).map(({ name, shape: lengths }) =>
    tensor(name, lengths, lengths.length === 1 ? () => 1 : weight),
  );
}

/** The tensors of all layers and the norm behind them; vectors are norms. */
export function layerInfos(shape: Shape): GgufTensorInfo[] {
  const { embedding, feedForward, headSize } = shape;
  const queries = shape.heads * headSize;
  const keys = shape.kvHeads * headSize;
  const infos: GgufTensorInfo[] = [];
  for (let layer = 0; layer < shape.layers; layer++) {
    const add = (part: string, ...lengths: number[]): void => {
      infos.push({ name: `blk.${layer}.${part}.weight`, shape: lengths });
    };
    add("attn_norm", embedding);
    add("attn_q", embedding, queries);
    add("attn_k", embedding, keys);
    add("attn_v", embedding, keys);
    add("attn_output", queries, embedding);
    add("ffn_norm", embedding);
    add("ffn_gate", embedding, feedForward);
    add("ffn_up", embedding, feedForward);
    add("ffn_down", feedForward, embedding);
  }
  return [...infos, { name: "output_norm.weight", shape: [embedding] }];
}

function tensor(name: string, shape: readonly number[], fill: (index: number) => number): GgufTensor {
  const data = new Float32Array(shape.reduce((product, length) => product * length, 1));
  for (let index = 0; index < data.length; index++) data[index] = fill(index);
  return { name, shape, data };
}

/** Normal deviates (Box–Muller) over the mulberry32 generator. */
function gaussian(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** A prime: what repeats stands elsewhere in each row of a matrix. */
const REPEATED_NUMBERS = 65_537;

function repeating(noise: () => number): () => number {
  const numbers = Float32Array.from({ length: REPEATED_NUMBERS }, noise);
  let at = 0;
  return () => {
    at = (at + 1) % REPEATED_NUMBERS;
    return numbers[at] ?? 0;
  };
}
