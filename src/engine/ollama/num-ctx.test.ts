import { expect, test } from "bun:test";
import { chooseNumCtx, contextLengthOf, kvBytesPerToken, numCtxOf, type NumCtxFacts } from "./num-ctx.ts";

/** Qwen3 8B, 4 bit: 36 layers, 8 KV heads of 128 keys and 128 values. */
const QWEN = {
  "general.architecture": "qwen3",
  "qwen3.block_count": 36,
  "qwen3.attention.head_count": 32,
  "qwen3.attention.head_count_kv": 8,
  "qwen3.attention.key_length": 128,
  "qwen3.attention.value_length": 128,
  "qwen3.embedding_length": 4096,
  "qwen3.context_length": 40960,
};
const FACTS: NumCtxFacts = {
  configured: 0,
  ofModelfile: null,
  ofModel: 40_960,
  bytesPerToken: kvBytesPerToken(QWEN),
  weightsBytes: 5e9,
  memoryBytes: 32e9,
};

test("the cache of a token is keys and values of every layer in 16 bits", () => {
  expect(kvBytesPerToken(QWEN)).toBe(36 * 8 * 256 * 2);
  expect(contextLengthOf(QWEN)).toBe(40_960);
  expect(kvBytesPerToken({})).toBeNull();
});

test("a list of heads, one a layer, counts by its largest", () => {
  const mixed = { ...QWEN, "qwen3.attention.head_count_kv": [0, 4, 0, 2] };
  expect(kvBytesPerToken(mixed)).toBe(36 * 4 * 256 * 2);
});

const chosen: [string, Partial<NumCtxFacts>, number][] = [
  ["what agents need where there is memory, at most the model's own", {}, 40_960],
  ["what agents need of a model that could do more", { ofModel: 262_144 }, 65_536],
  ["less where memory is short", { memoryBytes: 16e9 }, 16_384],
  ["Ollama's own least where nothing fits", { memoryBytes: 6e9 }, 4_096],
  ["a modest size where Ollama runs elsewhere", { memoryBytes: null }, 8_192],
  ["what the Modelfile says", { ofModelfile: 12_000 }, 12_000],
  ["what the settings say, before all", { configured: 20_000, ofModelfile: 12_000 }, 20_000],
  ["never more than the model was made for", { configured: 100_000 }, 40_960],
];
for (const [name, facts, size] of chosen) {
  test(`chooses ${name}`, () => {
    expect(chooseNumCtx({ ...FACTS, ...facts })).toBe(size);
  });
}

test("reads num_ctx out of a Modelfile's parameters", () => {
  expect(numCtxOf('stop                           "<|end|>"\nnum_ctx                        16384\n')).toBe(16_384);
  expect(numCtxOf("temperature 0.7")).toBeNull();
  expect(numCtxOf(null)).toBeNull();
});
