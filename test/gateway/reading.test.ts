import { afterAll, beforeAll, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";

// Vectors, rankings, lists of models, and Ollama's requests that only load.

let engine: ScriptedEngine;
let gateway: TestGateway;
beforeAll(async () => {
  engine = await startScriptedEngine();
  gateway = startGateway({
    engines: [engine],
    keys: { free: {}, poor: { limits: { dailyTokens: 10, requestsPerMinute: 0, tokensPerMinute: 0, concurrency: 0 } } },
  });
});
afterAll(async () => {
  await gateway.stop();
  await engine.stop();
});

const post = (path: string, body: unknown, key = "free"): Promise<Response> =>
  fetch(`${gateway.url}${path}`, { method: "POST", headers: { "x-api-key": key }, body: JSON.stringify(body) });
const json = async (path: string, body: unknown): Promise<Record<string, unknown>> =>
  (await (await post(path, body)).json()) as Record<string, unknown>;

test("the openai package gets its vectors, though the engine knows no base64", async () => {
  const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: "free", maxRetries: 0 });
  const inputs: OpenAI.EmbeddingCreateParams["input"][] = ["a", ["a", "b"], [1, 2], [[1], [2, 3]]];
  for (const input of inputs) {
    const answer = await openai.embeddings.create({ model: "scripted", input });
    expect(answer.data.map(({ embedding }) => embedding.map((value) => Number(value.toFixed(4))))).toEqual(
      answer.data.map(() => [0.6, 0.8]),
    );
    expect(answer.usage.total_tokens).toBeGreaterThan(0);
    // The client's own bytes.
    expect(engine.requests.at(-1)?.body.input).toEqual(input);
  }
  const base64 = await json("/v1/embeddings", { model: "my-alias", input: "a", encoding_format: "base64" });
  expect(base64).toMatchObject({
    model: "my-alias",
    data: [{ embedding: "mpkZP83MTD8=" }],
    usage: { prompt_tokens: 3 },
  });
  const floats = await json("/v1/embeddings", { model: "my-alias", input: "a" });
  expect(floats).toMatchObject({ model: "my-alias", data: [{ embedding: [0.6, 0.8] }] });
});

test("vectors of another size are refused by name where the model was not trained for them", async () => {
  expect((await post("/v1/embeddings", { model: "scripted", input: "a", dimensions: 2 })).status).toBe(200);
  expect(engine.requests.at(-1)?.body).not.toHaveProperty("dimensions");
  const refused = await post("/v1/embeddings", { model: "scripted", input: "a", dimensions: 1 });
  expect([refused.status, await refused.json()]).toMatchObject([400, { error: { param: "dimensions" } }]);
  expect((await post("/api/embed", { model: "scripted", input: "a", dimensions: 1 })).status).toBe(400);
});

test("Ollama's clients get vectors in both of its forms, and an empty list for nothing", async () => {
  const many = await json("/api/embed", { model: "scripted", input: ["a", "b"], truncate: false });
  expect(many).toMatchObject({
    model: "scripted",
    embeddings: [
      [0.6, 0.8],
      [0.6, 0.8],
    ],
    prompt_eval_count: 6,
  });
  expect(await json("/api/embeddings", { model: "scripted", prompt: "a" })).toEqual({ embedding: [0.6, 0.8] });
  const sent = engine.requests.length;
  expect(await json("/api/embed", { model: "scripted" })).toMatchObject({ embeddings: [] });
  expect(await json("/api/embeddings", { model: "scripted", prompt: "" })).toEqual({ embedding: [] });
  expect(engine.requests.length).toBe(sent);
  const unknown = await post("/api/embed", { model: "nope", input: "a" });
  expect([unknown.status, await unknown.json()]).toMatchObject([404, { error: expect.stringContaining("nope") }]);
});

test("documents are ranked in the shape of Jina and Cohere", async () => {
  const body = { model: "my-alias", query: "red fox", documents: ["a cat", { text: "a red fox" }, "red"], top_n: 2 };
  for (const path of ["/v1/rerank", "/v1/reranking", "/rerank", "/v2/rerank"]) {
    const answer = await json(path, { ...body, return_documents: true });
    expect(answer).toMatchObject({
      model: "my-alias",
      results: [
        { index: 1, relevance_score: 2, document: { text: "a red fox" } },
        { index: 2, relevance_score: 1, document: { text: "red" } },
      ],
      usage: { total_tokens: 7 },
    });
  }
  expect(gateway.records.at(-1)).toMatchObject({ endpoint: "/v1/rerank", promptTokens: 7, outcome: "ok" });
  const wrong = await post("/v1/rerank", { ...body, documents: [] });
  expect([wrong.status, await wrong.json()]).toMatchObject([400, { error: { param: "documents" } }]);
});

test("a quota that is too small for the bytes refuses", async () => {
  expect((await post("/v1/embeddings", { model: "scripted", input: "a".repeat(50) }, "poor")).status).toBe(429);
});

test("an empty prompt loads the model, and one with keep_alive 0 changes nothing", async () => {
  const loaded = { model: "scripted", done: true, done_reason: "load" };
  expect(await json("/api/generate", { model: "scripted" })).toMatchObject({ ...loaded, response: "" });
  expect(await json("/api/generate", { model: "scripted", prompt: "", stream: true })).toMatchObject(loaded);
  const chat = await json("/api/chat", { model: "my-alias", messages: [] });
  expect(chat).toMatchObject({ model: "my-alias", done_reason: "load", message: { role: "assistant", content: "" } });
  const unload = await post("/api/chat", { model: "scripted", keep_alive: 0 });
  expect(await unload.json()).toMatchObject({ done_reason: "unload" });
  expect(unload.headers.get("x-flock-adjusted")).toContain("keep_alive");
  expect((await post("/api/generate", { model: "nope" })).status).toBe(404);
  expect((await post("/api/generate", {})).status).toBe(400);
});

test("the Anthropic package pages through the models", async () => {
  const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: "free", maxRetries: 0 });
  const seen: string[] = [];
  for await (const model of anthropic.models.list({ limit: 1 })) {
    seen.push(model.id);
    expect(model).toMatchObject({ type: "model", capabilities: null, max_input_tokens: 8192, lifecycle: "active" });
  }
  expect(seen).toEqual(["scripted", "my-alias"]);
  expect((await anthropic.models.list({ before_id: "my-alias" })).data.map(({ id }) => id)).toEqual(["scripted"]);
  expect((await anthropic.models.retrieve("my-alias")).id).toBe("my-alias");
  const wrong = await fetch(`${gateway.url}/v1/models?limit=0`, { headers: { "x-api-key": "free" } });
  expect([wrong.status, await wrong.json()]).toMatchObject([400, { error: { param: "limit" } }]);
});

test("ids of models may hold slashes and colons, written plainly or escaped", async () => {
  const id = "hf:org/repo:q4_k_m";
  const other = startGateway({ engines: [engine], replica: { model: id } });
  try {
    for (const written of [id, encodeURIComponent(id)]) {
      const answer = await fetch(`${other.url}/v1/models/${written}`);
      expect([written, answer.status, await answer.json()]).toMatchObject([written, 200, { id }]);
    }
    const openai = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: "any", maxRetries: 0 });
    expect((await openai.models.retrieve(id)).id).toBe(id);
    const unknown = await fetch(`${other.url}/v1/models/${encodeURIComponent("hf:org/repo:q4")}`);
    expect([unknown.status, await unknown.json()]).toMatchObject([404, { error: { code: "model_not_found" } }]);
  } finally {
    await other.stop();
  }
});
