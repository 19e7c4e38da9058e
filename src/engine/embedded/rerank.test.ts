import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { embeddedManager } from "./manage.ts";
import { startTestChild, type TestChild } from "./test-child.ts";

const PATH = "/v1/rerank";
const DOCUMENTS = ["birds of a feather", "a stone", "x".repeat(60), "a stone"];

interface Body {
  readonly model: string;
  readonly results: readonly { readonly index: number; readonly relevance_score: number; readonly document?: object }[];
  readonly usage: { readonly prompt_tokens: number };
}

let child: TestChild;
beforeAll(async () => {
  child = await startTestChild({ kind: "ranks", seed: 3 }, { windowTokens: 512 });
}, 30_000);
afterAll(() => child.stop());

async function rank(body: object): Promise<Body> {
  const response = await child.post(PATH, { query: "what is a flock?", documents: DOCUMENTS, ...body });
  expect(response.status).toBe(200);
  return (await response.json()) as Body;
}

describe("a reranker", () => {
  test("gives every document a score, the best first", async () => {
    const { results, usage, model } = await rank({ model: "asked" });
    expect(model).toBe("asked");
    expect(results.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3]);
    const scores = results.map((result) => result.relevance_score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    expect(scores.every((score) => score >= 0 && score <= 1)).toBe(true);
    expect(new Set(scores).size).toBe(3);
    expect(results.every((result) => result.document === undefined)).toBe(true);
    expect(usage.prompt_tokens).toBeGreaterThan(150);
  });

  test("gives the best few, with their texts, and takes documents as objects", async () => {
    const all = await rank({});
    const { results } = await rank({
      documents: DOCUMENTS.map((text) => ({ text })),
      top_n: 2,
      return_documents: true,
    });
    expect(results.map(({ index }) => index)).toEqual(all.results.slice(0, 2).map(({ index }) => index));
    expect(results[0]?.document).toEqual({ text: DOCUMENTS[results[0]?.index ?? -1] });
  });

  test("refuses a document that does not fit, by its place and with the numbers", async () => {
    const response = await child.post(PATH, { query: "q", documents: ["short", "y".repeat(600)] });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { type: "exceed_context_size_error", n_ctx: 512, param: "documents.1" },
    });
  });

  for (const body of [{ documents: [] }, { query: "" }, { documents: [5] }, { top_n: 0 }]) {
    test(`refuses a bad body with 400: ${JSON.stringify(body)}`, async () => {
      const response = await child.post(PATH, { query: "q", documents: ["d"], ...body });
      expect(response.status).toBe(400);
    });
  }

  test("says what it can do, and does not chat", async () => {
    const info = await embeddedManager.probe({ url: child.url, secret: child.secret }, AbortSignal.timeout(5000));
    expect(info).toMatchObject({ ok: true, value: { models: [{ abilities: { rerank: true, chat: false } }] } });
    const response = await child.post("/v1/chat/completions", { messages: [{ role: "user", content: "hi" }] });
    expect(response.status).toBe(501);
    expect(await response.json()).toMatchObject({ error: { type: "not_supported_error", param: "model" } });
  });
});

test("a model that is no reranker refuses by name", async () => {
  const other = await startTestChild({ kind: "says", text: "no" });
  try {
    const response = await other.post(PATH, { query: "q", documents: ["d"] });
    expect(response.status).toBe(501);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(error.message).toContain("reranking with tiny, which is no reranker, is not supported");
  } finally {
    await other.stop();
  }
}, 20_000);
