import { expect, test } from "bun:test";
import { join } from "node:path";
import { openCatalog } from "./open-catalog.ts";

const DIRECTORY = join(import.meta.dir, "../../catalog");
const { entries, problems } = await openCatalog([DIRECTORY]).read();

test("all 37 entries are valid: schema, file names, aliases, fallbacks that exist and end", () => {
  expect(problems).toEqual([]);
  expect(entries).toHaveLength(37);
});

test("every entry has a licence and was released before today", () => {
  for (const { id, license, released } of entries) {
    expect([id, license.length >= 3]).toEqual([id, true]);
    expect([id, released >= "2023-01-01", Date.parse(released) < Date.now()]).toEqual([id, true, true]);
  }
});

test("qwen3-coder is another name of qwen3-coder-30b", () => {
  expect(entries.filter(({ aliases }) => aliases?.includes("qwen3-coder")).map(({ id }) => id)).toEqual([
    "qwen3-coder-30b",
  ]);
});

test("each engine named has something to serve the model from", () => {
  for (const { id, engines, sources, sharding } of entries) {
    const needs = { embedded: sources.gguf, llamacpp: sources.gguf, ollama: sources.ollama, vllm: sources.vllm };
    for (const engine of engines) {
      const source = { ...needs, mlx: sources.mlx }[engine];
      expect([id, engine, source !== undefined]).toEqual([id, engine, true]);
    }
    if (sharding.required) expect([id, engines.includes("embedded")]).toEqual([id, false]);
  }
});

test("no source is in a cloud that prompts would be sent to", () => {
  for (const { id, sources } of entries) expect([id, sources.ollama?.includes("cloud") ?? false]).toEqual([id, false]);
});

test("facts marked as estimated are there, and the cache's size follows from the architecture", () => {
  for (const entry of entries) {
    for (const path of entry.estimated ?? []) {
      const fact = path.split(".").reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], entry);
      expect([entry.id, path, fact !== undefined]).toEqual([entry.id, path, true]);
    }
    const { layers, kv_layers, kv_heads, head_dim, mla, sliding_window } = entry.architecture ?? {};
    const said = entry.hardware?.kv_cache_gb_at_8k;
    const cached = kv_layers ?? layers;
    if (said === undefined || cached === undefined || sliding_window !== undefined) continue;
    const perLayer = mla ? (mla.kv_lora_rank + mla.rope_dim) * 2 : (kv_heads ?? 0) * (head_dim ?? 0) * 4;
    expect([entry.id, Math.abs((cached * perLayer * 8192) / 1e9 - said) < 0.02]).toEqual([entry.id, true]);
  }
});

test("memory is at least the weights, and more of it on a machine than on a card", () => {
  for (const { id, hardware } of entries) {
    if (hardware?.min_ram_gb === undefined || hardware.min_vram_gb === undefined) continue;
    expect([id, hardware.min_vram_gb >= (hardware.weights_gb ?? 0)]).toEqual([id, true]);
    expect([id, hardware.min_ram_gb >= hardware.min_vram_gb]).toEqual([id, true]);
  }
});
