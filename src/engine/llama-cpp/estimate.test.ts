import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeTinyModel } from "../../../scripts/gguf/tiny-model.ts";
import { chooseShape, estimateLlamaServer } from "./estimate.ts";
import { type GgufHeader, readGgufHeader } from "./gguf-header.ts";

const folder = mkdtempSync(join(tmpdir(), "flock-gguf-"));
const path = join(folder, "tiny.gguf");
beforeAll(() => writeTinyModel(path, { kind: "random", seed: 1 }, { contextTokens: 2048 }));
afterAll(() => rmSync(folder, { recursive: true }));

const GB = 1e9;
/** Llama 3.1 8B: 32 layers, 8 heads of keys and values of 128, so 128 KiB of cache for a token. */
const EIGHT: GgufHeader = new Map<string, string | number | { length: number }>([
  ["general.architecture", "llama"],
  ["llama.block_count", 32],
  ["llama.embedding_length", 4096],
  ["llama.attention.head_count", 32],
  ["llama.attention.head_count_kv", 8],
  ["llama.context_length", 131_072],
  ["tokenizer.ggml.tokens", { length: 128_256 }],
]);

test("a real file's head is read, arrays and all", () => {
  const header = readGgufHeader(path);
  expect(header?.get("general.architecture")).toBe("llama");
  expect(header?.get("llama.context_length")).toBe(2048);
  expect(header?.get("tokenizer.ggml.tokens")).toEqual({ length: expect.any(Number) });
});

test("what is no GGUF file, or is cut off, is none", () => {
  const other = join(folder, "other.gguf");
  writeFileSync(other, "not a model at all");
  expect(readGgufHeader(other)).toBeNull();
  expect(readGgufHeader(join(folder, "missing.gguf"))).toBeNull();
  truncateSync(other, 0);
  expect(readGgufHeader(other)).toBeNull();
});

test("keys and values are counted for every layer", () => {
  const estimate = estimateLlamaServer(EIGHT);
  const grown = estimate.contextBytes(16_384, 1) - estimate.contextBytes(8_192, 1);
  expect(grown / 8_192).toBeGreaterThanOrEqual(128 * 1024);
  expect(grown / 8_192).toBeLessThan(130 * 1024);
});

test("layers with a window take the window only", () => {
  const windowed = new Map(EIGHT)
    .set("llama.attention.sliding_window", 1024)
    .set("llama.attention.sliding_window_pattern", 4);
  const [all, some] = [estimateLlamaServer(EIGHT), estimateLlamaServer(windowed)];
  expect(some.contextBytes(65_536, 1)).toBeLessThan(all.contextBytes(65_536, 1) / 2);
});

test("a machine's memory decides on context and slots, the same at every start", () => {
  const estimate = estimateLlamaServer(EIGHT);
  const shape = (memory: number, wish = { contextTokens: 0, slots: 0 }) =>
    chooseShape(wish, estimate, 5 * GB, memory * GB);
  expect(shape(64)).toEqual({ contextTokens: 32_768, slots: 4 });
  expect(shape(16)).toEqual({ contextTokens: 8_192, slots: 4 });
  expect(shape(6)).toEqual({ contextTokens: 2_048, slots: 1 });
  expect(shape(16, { contextTokens: 32_768, slots: 2 })).toEqual({ contextTokens: 32_768, slots: 2 });
});
