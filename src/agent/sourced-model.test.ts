import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findSourcedModel, parseHfId } from "./sourced-model.ts";

const root = mkdtempSync(join(tmpdir(), "flock-sourced-"));
afterAll(() => rmSync(root, { recursive: true }));
const put = (...path: string[]): string => {
  const file = join(root, ...path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, "GGUF");
  return file;
};
const places = { modelsDir: join(root, "models"), home: join(root, "home"), hubCache: "" };
const find = (id: string): string | null => {
  const source = parseHfId(id);
  return source === null ? null : findSourcedModel(source, places);
};

const [small, large] = [put("models", "Qwen3-8B-Q4_K_M.gguf"), put("models", "sub", "Qwen3-8B-Q8_0.gguf")];
const hub = put("home/.cache/huggingface/hub/models--a--Tiny-GGUF/snapshots/abc/tiny-q4_k_m.gguf");
const cached = put("home/.cache/llama.cpp/b_Other-GGUF_other-Q4_K_M.gguf");
put("models", "mmproj-Qwen3-8B.gguf");

test("an id names a repository, one quantisation of it, or one file", () => {
  expect(parseHfId("hf:Qwen/Qwen3-8B-GGUF:Q8_0")).toEqual({
    repo: "Qwen/Qwen3-8B-GGUF",
    file: null,
    quantisation: "Q8_0",
  });
  expect(parseHfId("hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q8_0.gguf")).toMatchObject({ file: "Qwen3-8B-Q8_0.gguf" });
  expect(parseHfId("hf:Qwen")).toBeNull();
  expect(parseHfId("qwen3-8b")).toBeNull();
});

test("its file is found where Flock, the hub or llama.cpp keeps files", () => {
  expect(find("hf:Qwen/Qwen3-8B-GGUF")).toBe(small);
  expect(find("hf:Qwen/Qwen3-8B-GGUF:Q8_0")).toBe(large);
  expect(find("hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q8_0.gguf")).toBe(large);
  expect(find("hf:a/Tiny-GGUF")).toBe(hub);
  expect(find("hf:b/Other-GGUF/other-Q4_K_M.gguf")).toBe(cached);
});

test("a quantisation that is not there is not replaced by another one", () => {
  expect(find("hf:Qwen/Qwen3-8B-GGUF:Q2_K")).toBeNull();
  expect(find("hf:Nobody/Nothing-GGUF")).toBeNull();
});
