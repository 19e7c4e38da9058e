import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeSafetensors } from "./write-safetensors.ts";

/** What the speaking model says: to a prompt without tools, and after its thinking. */
export const SAYS = "Hello from the tiny model.";
export const THINKS = "Let me see.";
/** What it calls where tools are offered. */
export const CALLS = { name: "get_weather", arguments: { city: "Bern" } } as const;

/** A message with this word is answered without an end. */
export const WITHOUT_END = "endlessly";

/**
 * A llama of two megabytes, as MLX-LM and vLLM load models: a real engine under test, without a download, with one answer for
 * each kind of prompt. Each token is a direction of its own and the head turns each into the one that follows it, so that the
 * last token of the prompt decides on all that comes. The tokenizer has one token a byte, ChatML's marks, and the pieces of
 * those answers.
 */
export interface TinyOptions {
  readonly contextTokens?: number;
}

/** As wide as the vocabulary, in heads of 64: engines have kernels for that size everywhere. */
export const HIDDEN = 320;
const HEADS = 5;
const FEED_FORWARD = 64;

const MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"];
const THOUGHT = THINKS.split(/(?= )/);
const ANSWER = SAYS.split(/(?= )/);
const CALL = `\n${JSON.stringify(CALLS)}\n`;
const ENDLESS = [" and", " so", " on"];
const PIECES = [...THOUGHT, ...ANSWER, CALL, ...ENDLESS];
const VOCABULARY = 256 + MARKS.length + PIECES.length;
const END = idOf("<|im_end|>");

/**
 * Tools and calls in the form that Qwen's models know, so that engines recognise the parser for it. The last byte of the
 * prompt tells the model what is wanted: a line's end for a call, a blank for thinking first, a tab for an answer alone.
 */
const TEMPLATE = `{%- if tools %}<|im_start|>system
Tools: <tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>
Call one with <tool_call>{"name": ..., "arguments": ...}</tool_call><|im_end|>
{% endif %}{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}{% if message.tool_calls %}{% for tool_call in message.tool_calls %}{% set tool_call = tool_call.function %}<tool_call>
{"name": "{{ tool_call.name }}", "arguments": {{ tool_call.arguments | tojson }}}
</tool_call>{% endfor %}{% endif %}<|im_end|>
{% endfor %}{%- if add_generation_prompt %}<|im_start|>assistant{{ "\\r" if "${WITHOUT_END}" in messages[-1].content else "\\n" if tools else "\\t" if enable_thinking is defined and not enable_thinking else " " }}{% endif %}`;

export function writeTinyModel(folder: string, options: TinyOptions = {}): void {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, value: unknown): void => {
    writeFileSync(join(folder, name), JSON.stringify(value, null, 1));
  };
  const { file, index } = weights();
  writeFileSync(join(folder, "model.safetensors"), file);
  write("model.safetensors.index.json", index);
  write("config.json", {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: HIDDEN,
    intermediate_size: FEED_FORWARD,
    num_hidden_layers: 1,
    num_attention_heads: HEADS,
    num_key_value_heads: HEADS,
    head_dim: HIDDEN / HEADS,
    vocab_size: VOCABULARY,
    max_position_embeddings: options.contextTokens ?? 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    hidden_act: "silu",
    tie_word_embeddings: false,
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

/** Of a mark, a piece or a single ASCII character. */
function idOf(token: string): number {
  const at = [...MARKS, ...PIECES].indexOf(token);
  return at >= 0 ? 256 + at : token.charCodeAt(0);
}

/** What follows each token. */
function chains(): ReadonlyMap<number, number> {
  const next = new Map<number, number>();
  const say = (...tokens: readonly string[]): void => {
    for (const [at, token] of tokens.entries()) next.set(idOf(token), idOf(tokens[at + 1] ?? "<|im_end|>"));
  };
  const [first = ""] = ENDLESS;
  say(" ", "<think>", ...THOUGHT, "</think>", ...ANSWER);
  say("\t", ...ANSWER);
  say("\n", "<tool_call>", CALL, "</tool_call>");
  say("\r", ...ENDLESS, first);
  next.set(idOf(first), idOf(ENDLESS[1] ?? first));
  return next;
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
  const added = [...MARKS, ...PIECES].map((content, at) => {
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

/** Nothing is mixed into a token on its way from the embedding to the head: all weights between are zero. */
function tensor(name: string, rows: number, columns: number): Float32Array {
  const values = new Float32Array(rows * columns);
  if (name.includes("norm")) values.fill(1);
  if (name === "model.embed_tokens.weight") {
    for (let token = 0; token < rows; token += 1) values[token * columns + token] = 1;
  }
  if (name === "lm_head.weight") for (const [token, next] of chains()) values[next * columns + token] = 1;
  return values;
}

function weights(): { file: Uint8Array; index: unknown } {
  const layer = "model.layers.0";
  const attention = ["q", "k", "v", "o"].map((name) => `${layer}.self_attn.${name}_proj.weight`);
  const gates = ["gate", "up"].map((name) => `${layer}.mlp.${name}_proj.weight`);
  const norms = ["model.norm.weight", `${layer}.input_layernorm.weight`, `${layer}.post_attention_layernorm.weight`];
  const shapes: [string, number[]][] = [
    ["model.embed_tokens.weight", [VOCABULARY, HIDDEN]],
    ["lm_head.weight", [VOCABULARY, HIDDEN]],
    ...attention.map((name): [string, number[]] => [name, [HIDDEN, HIDDEN]]),
    ...gates.map((name): [string, number[]] => [name, [FEED_FORWARD, HIDDEN]]),
    [`${layer}.mlp.down_proj.weight`, [HIDDEN, FEED_FORWARD]],
    ...norms.map((name): [string, number[]] => [name, [HIDDEN]]),
  ];
  const tensors = shapes.map(([name, shape]) => ({ name, shape, values: tensor(name, shape[0] ?? 1, shape[1] ?? 1) }));
  const total_size = tensors.reduce((sum, { values }) => sum + values.byteLength, 0);
  const weight_map = Object.fromEntries(tensors.map(({ name }) => [name, "model.safetensors"]));
  return { file: encodeSafetensors(tensors), index: { metadata: { total_size }, weight_map } };
}
