import { expect, test } from "bun:test";
import type { Replica } from "../core/replica.ts";
import { AliasTable } from "./alias-table.ts";
import { resolveModel, type ModelSnapshot } from "./resolve-model.ts";

const replica = (model: string, embeddings = true): Replica => ({
  id: `local/${model}`,
  node: "local",
  engine: "embedded",
  engineId: model,
  model,
  engineModel: model,
  contextTokens: 4096,
  slots: 4,
  abilities: { chat: true, embeddings, rerank: false, tools: false, images: false, audio: false, thinking: false },
  smokeTest: false,
});

const snapshot: ModelSnapshot = {
  replicas: [replica("qwen3-8b"), replica("llama-3.2-1b", false)],
  expected: ["mistral-nemo-12b"],
  aliases: new AliasTable([
    { name: "gpt-4o", model: "qwen3-8b", keyId: null },
    { name: "dangling", model: "not-there", keyId: null },
    { name: "fast", model: "gpt-4o", keyId: null },
    { name: "fast", model: "llama-3.2-1b", keyId: "key_1" },
    { name: "claude-haiku-4-5", model: "fast", keyId: null },
    { name: "claude-gone", model: "not-there", keyId: null },
    { name: "usual", model: "auto", keyId: null },
    { name: "round", model: "about", keyId: null },
    { name: "about", model: "round", keyId: null },
    { name: "qwen3-8b", model: "llama-3.2-1b", keyId: null },
  ]),
  defaultModel: "qwen3-8b",
};
const chat = { chat: true, embeddings: false };

test("an exact id wins, whatever its case", () => {
  expect(resolveModel("llama-3.2-1b", chat, snapshot)).toEqual({
    ok: true,
    value: { model: "llama-3.2-1b", reason: "exact", contextTokens: 4096 },
  });
  expect(resolveModel("Llama-3.2-1B", chat, snapshot)).toMatchObject({ ok: true, value: { model: "llama-3.2-1b" } });
});

test("auto is a model that can do what is asked, where the default one cannot", () => {
  const embedder = { ...replica("nomic-embed-text"), abilities: { ...replica("x").abilities, chat: false } };
  const replicas = [replica("qwen3-8b", false), embedder];
  const need = { chat: false, embeddings: true };
  expect(resolveModel("auto", need, { ...snapshot, replicas })).toMatchObject({
    ok: true,
    value: { model: "nomic-embed-text", reason: "auto: a model for embeddings" },
  });
  expect(resolveModel("qwen3-8b", need, { ...snapshot, replicas })).toMatchObject({ ok: false });
  expect(
    resolveModel("auto", { chat: false, embeddings: false, rerank: true }, { ...snapshot, replicas }),
  ).toMatchObject({
    ok: false,
    error: { kind: "unsupported" },
  });
});

test("an alias names its target in the reason", () => {
  expect(resolveModel("gpt-4o", chat, snapshot)).toEqual({
    ok: true,
    value: { model: "qwen3-8b", reason: "alias gpt-4o", contextTokens: 4096 },
  });
});

test("an alias may stand for another one, for auto, and for a name of Claude's; a key's own comes first", () => {
  const model = (name: string, keyId?: string): unknown => {
    const resolved = resolveModel(name, chat, snapshot, keyId);
    return resolved.ok ? [resolved.value.model, resolved.value.reason] : resolved.error.kind;
  };
  expect(model("fast")).toEqual(["qwen3-8b", "alias fast"]);
  expect(model("fast", "key_2")).toEqual(["qwen3-8b", "alias fast"]);
  expect(model("fast", "key_1")).toEqual(["llama-3.2-1b", "alias fast"]);
  expect(model("claude-haiku-4-5", "key_1")).toEqual(["llama-3.2-1b", "alias claude-haiku-4-5"]);
  expect(model("claude-haiku-4-5")).toEqual(["qwen3-8b", "alias claude-haiku-4-5"]);
  expect(model("usual")).toEqual(["qwen3-8b", "alias usual: the default model"]);
  expect(model("claude-gone")).toBe("unknown_model");
  expect(model("round")).toBe("unknown_model");
  // A model's own id is stronger than an alias.
  expect(model("qwen3-8b")).toEqual(["qwen3-8b", "exact"]);
});

test("auto and every unaliased Claude name go to the default model", () => {
  for (const name of ["auto", "claude-sonnet-5", "anthropic/claude-opus-4-1"]) {
    expect(resolveModel(name, chat, snapshot)).toMatchObject({ ok: true, value: { model: "qwen3-8b" } });
  }
});

test("a gpt name without an alias is unknown, never a vendor", () => {
  expect(resolveModel("gpt-5", chat, snapshot)).toMatchObject({
    ok: false,
    error: { kind: "unknown_model", model: "gpt-5" },
  });
});

test("an unknown name is answered with the nearest ones", () => {
  expect(resolveModel("qwen3-b8", chat, snapshot)).toMatchObject({ ok: false, error: { nearest: ["qwen3-8b"] } });
  expect(resolveModel("aut", chat, snapshot)).toMatchObject({
    ok: false,
    error: { nearest: ["auto", "about", "fast"] },
  });
});

test("a model whose engine is restarting still resolves", () => {
  expect(resolveModel("mistral-nemo-12b", chat, snapshot)).toMatchObject({ ok: true });
});

test("an alias to a model that is gone is unknown", () => {
  expect(resolveModel("dangling", chat, snapshot)).toEqual({
    ok: false,
    error: { kind: "unknown_model", model: "dangling", nearest: [], standsFor: "not-there" },
  });
});

test("embeddings of a model without them are refused by name", () => {
  const result = resolveModel("llama-3.2-1b", { chat: false, embeddings: true }, snapshot);
  expect(result).toMatchObject({ ok: false, error: { kind: "unsupported", capability: "embeddings" } });
});

test("without any model auto is unknown", () => {
  const empty = { replicas: [], expected: [], aliases: new AliasTable([]), defaultModel: "" };
  expect(resolveModel("auto", chat, empty)).toMatchObject({ ok: false, error: { kind: "unknown_model", nearest: [] } });
});

test("where a model comes from, and the tag that goes without saying, may stand with its name", () => {
  for (const name of ["ollama:llama-3.2-1b", "llama-3.2-1b:latest", "ollama:llama-3.2-1b:latest", "hf:Qwen3-8B"]) {
    const model = name.startsWith("hf") ? "qwen3-8b" : "llama-3.2-1b";
    expect(resolveModel(name, chat, snapshot)).toMatchObject({ ok: true, value: { model, reason: "exact" } });
  }
});
