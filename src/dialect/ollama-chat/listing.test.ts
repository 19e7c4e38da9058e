import { expect, test } from "bun:test";
import { toPs, toShow, toTags, toVersion, withoutLatestTag, type ListedModel } from "./listing.ts";

const MODEL: ListedModel = {
  model: "qwen3-8b",
  contextTokens: 32768,
  abilities: {
    chat: true,
    embeddings: false,
    rerank: false,
    tools: true,
    images: true,
    audio: false,
    thinking: true,
    insert: true,
  },
  modifiedAt: 1000,
  facts: {
    format: "gguf",
    family: "qwen3",
    parameterCount: 8_190_735_360,
    quantization: "Q4_K_M",
    embeddingLength: 4096,
    sizeBytes: 5_200_000_000,
    license: "Apache 2.0",
  },
};
const DETAILS = {
  parent_model: "",
  format: "gguf",
  family: "qwen3",
  families: ["qwen3"],
  parameter_size: "8.2B",
  quantization_level: "Q4_K_M",
  context_length: 32768,
  embedding_length: 4096,
};
const CAPABILITIES = ["completion", "tools", "insert", "vision", "thinking"];
const DIGEST = expect.stringMatching(/^[0-9a-f]{64}$/);

test("/api/tags has every member of a model", () => {
  expect<unknown>(toTags([MODEL])).toEqual({
    models: [
      {
        name: "qwen3-8b",
        model: "qwen3-8b",
        modified_at: "1970-01-01T00:00:01.000Z",
        size: 5_200_000_000,
        digest: DIGEST,
        details: DETAILS,
        capabilities: CAPABILITIES,
      },
    ],
  });
});

test("/api/ps has the effective context and where the model lies", () => {
  const loaded = { ...MODEL, memoryBytes: 6e9, gpuMemoryBytes: 5e9, expiresAt: null };
  expect<unknown>(toPs([loaded, { ...loaded, expiresAt: 2000 }])).toMatchObject({
    models: [
      {
        name: "qwen3-8b",
        size: 6e9,
        digest: DIGEST,
        details: DETAILS,
        expires_at: expect.stringMatching(/^2318-/),
        size_vram: 5e9,
        context_length: 32768,
      },
      { expires_at: "1970-01-01T00:00:02.000Z" },
    ],
  });
});

test("/api/show says the context size where clients look for it", () => {
  const show = toShow(MODEL);
  expect(show).toMatchObject({
    license: "Apache 2.0",
    parameters: expect.stringMatching(/^num_ctx +32768$/),
    details: DETAILS,
    model_info: {
      "general.architecture": "qwen3",
      "general.parameter_count": 8_190_735_360,
      "qwen3.context_length": 32768,
      "qwen3.embedding_length": 4096,
    },
    capabilities: CAPABILITIES,
    modified_at: "1970-01-01T00:00:01.000Z",
  });
  expect(Object.keys(show)).toEqual(expect.arrayContaining(["modelfile", "template"]));
});

test("what is not known is there all the same, and is not made up", () => {
  const embedder = {
    ...MODEL.abilities,
    chat: false,
    tools: false,
    images: false,
    thinking: false,
    embeddings: true,
    insert: false,
  };
  const { facts: _facts, ...bare } = { ...MODEL, abilities: { ...embedder, audio: true } };
  expect(toTags([bare])).toMatchObject({
    models: [
      {
        size: 0,
        details: { family: "unknown", families: ["unknown"], parameter_size: "", quantization_level: "" },
        capabilities: ["embedding", "audio"],
      },
    ],
  });
  expect(toShow(bare)).not.toHaveProperty("license");
});

test("digests are stable and differ by model", () => {
  const digest = (model: string) => JSON.stringify(toTags([{ ...MODEL, model }])).match(/[0-9a-f]{64}/)?.[0];
  expect(digest("a")).toBe(digest("a") ?? "");
  expect(digest("a")).not.toBe(digest("b") ?? "");
});

test("the tag that clients add on their own comes off, others stay", () => {
  expect([withoutLatestTag("qwen3:latest"), withoutLatestTag("qwen3:8b")]).toEqual(["qwen3", "qwen3:8b"]);
  expect(toVersion("1.2.3")).toEqual({ version: "1.2.3" });
  expect(toVersion()).toEqual({ version: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
});
