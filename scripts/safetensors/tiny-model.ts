import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * A llama of a few hundred kilobytes with seeded random weights, as MLX-LM and vLLM load models: a real engine under test,
 * without a download. What it says means nothing. The tokenizer is one token a byte, with ChatML's marks.
 */
export interface TinyOptions {
  readonly seed?: number;
  readonly contextTokens?: number;
}

const HIDDEN = 64;
const LAYERS = 2;
const HEADS = 1;
const FEED_FORWARD = 128;
const MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"];
const VOCABULARY = 256 + MARKS.length + 1;
const END = 256 + MARKS.indexOf("<|im_end|>");

/** Tools and calls in the form that Qwen's models know, so that engines recognise the parser for it. */
const TEMPLATE = `{%- if tools %}<|im_start|>system
Tools: <tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>
Call one with <tool_call>{"name": ..., "arguments": ...}</tool_call><|im_end|>
{% endif %}{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}{% if message.tool_calls %}{% for call in message.tool_calls %}<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}{% endif %}<|im_end|>
{% endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;

export function writeTinyModel(folder: string, options: TinyOptions = {}): void {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, value: unknown): void => {
    writeFileSync(join(folder, name), JSON.stringify(value, null, 1));
  };
  const { file, index } = weights(options.seed ?? 1);
  writeFileSync(join(folder, "model.safetensors"), file);
  write("model.safetensors.index.json", index);
  write("config.json", {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: HIDDEN,
    intermediate_size: FEED_FORWARD,
    num_hidden_layers: LAYERS,
    num_attention_heads: HEADS,
    num_key_value_heads: HEADS,
    head_dim: HIDDEN / HEADS,
    vocab_size: VOCABULARY,
    max_position_embeddings: options.contextTokens ?? 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    hidden_act: "silu",
    tie_word_embeddings: true,
    torch_dtype: "float32",
    bos_token_id: 256,
    eos_token_id: END,
  });
  write("generation_config.json", { eos_token_id: [END, 256] });
  write("tokenizer.json", tokenizer());
  write("tokenizer_config.json", {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: null,
    eos_token: "<|im_end|>",
    pad_token: "<|endoftext|>",
    unk_token: null,
    model_max_length: options.contextTokens ?? 2048,
    clean_up_tokenization_spaces: false,
    chat_template: TEMPLATE,
  });
}

/** Bytes that are no printable Latin-1 get a stand-in from 256 on, as in GPT-2's byte-level vocabulary. */
function byteLetters(): string[] {
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

function tokenizer(): unknown {
  const vocab: Record<string, number> = {};
  for (const [id, letter] of byteLetters().entries()) vocab[letter] = id;
  const added = MARKS.map((content, at) => {
    vocab[content] = 256 + at;
    // Calls and thinking are read out of the text: those marks must survive decoding.
    const special = at < 3;
    return { id: 256 + at, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special };
  });
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: [],
    },
  };
}

function weights(seed: number): { file: Uint8Array; index: unknown } {
  const random = mulberry32(seed);
  const tensors: [string, number[]][] = [
    ["model.embed_tokens.weight", [VOCABULARY, HIDDEN]],
    ["model.norm.weight", [HIDDEN]],
  ];
  for (let layer = 0; layer < LAYERS; layer += 1) {
    const at = `model.layers.${layer}`;
    for (const name of ["q", "k", "v", "o"]) tensors.push([`${at}.self_attn.${name}_proj.weight`, [HIDDEN, HIDDEN]]);
    for (const name of ["gate", "up"]) tensors.push([`${at}.mlp.${name}_proj.weight`, [FEED_FORWARD, HIDDEN]]);
    tensors.push([`${at}.mlp.down_proj.weight`, [HIDDEN, FEED_FORWARD]]);
    for (const name of ["input", "post_attention"]) tensors.push([`${at}.${name}_layernorm.weight`, [HIDDEN]]);
  }
  const header: Record<string, unknown> = { __metadata__: { format: "mlx" } };
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (const [name, shape] of tensors) {
    const count = shape.reduce((product, size) => product * size, 1);
    // Norms of one keep the numbers in range; the rest is what an untrained network has.
    const values = Float32Array.from({ length: count }, () => (shape.length === 1 ? 1 : (random() - 0.5) * 0.4));
    pieces.push(new Uint8Array(values.buffer));
    header[name] = { dtype: "F32", shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  const weight_map = Object.fromEntries(tensors.map(([name]) => [name, "model.safetensors"]));
  return {
    file: new Uint8Array(Buffer.concat([length, text, ...pieces])),
    index: { metadata: { total_size: offset }, weight_map },
  };
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
