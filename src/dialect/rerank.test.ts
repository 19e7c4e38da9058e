import { expect, test } from "bun:test";
import {
  fromRerankBody,
  parseRerankRequest,
  toRerankAnswer,
  toRerankBody,
  type RerankAnswer,
  type RerankRequest,
} from "./rerank.ts";

function parsed(body: object): RerankRequest {
  const result = parseRerankRequest({ model: "m", query: "q", documents: ["a", "b", "c"], ...body });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

test("documents may be texts or objects with one, and nulls are absent", () => {
  const body = {
    documents: ["a", { text: "b", title: "t" }],
    top_n: null,
    return_documents: null,
    rank_fields: ["text"],
  };
  expect<unknown>(parsed(body)).toEqual({
    model: "m",
    query: "q",
    documents: ["a", "b"],
    topN: null,
    returnDocuments: false,
    promptTokensEstimate: 4,
  });
  expect(parsed({ top_n: 2, return_documents: true })).toMatchObject({ topN: 2, returnDocuments: true });
});

test.each<[object, string]>([
  [{ model: "" }, "model"],
  [{ query: "" }, "query"],
  [{ query: 5 }, "query"],
  [{ documents: [] }, "documents"],
  [{ documents: "a" }, "documents"],
  [{ documents: ["a", { title: "t" }] }, "documents[1].text"],
  [{ documents: ["a", 5] }, "documents[1]"],
  [{ top_n: 0 }, "top_n"],
  [{ top_n: 1.5 }, "top_n"],
  [{ return_documents: "yes" }, "return_documents"],
])("a wrong field is refused by its path: %j", (body, field) => {
  expect(parseRerankRequest({ model: "m", query: "q", documents: ["a"], ...body })).toMatchObject({
    ok: false,
    error: { kind: "invalid_request", field },
  });
});

test.each<[object, string]>([
  [{ rank_fields: ["title"] }, "rank_fields"],
  [{ max_tokens_per_doc: 100 }, "max_tokens_per_doc"],
])("%j is refused by name", (body, capability) => {
  expect(parseRerankRequest({ model: "m", query: "q", documents: ["a"], ...body })).toMatchObject({
    ok: false,
    error: { kind: "unsupported", capability },
  });
});

test("an engine is asked to rank all documents as texts", () => {
  expect<unknown>(toRerankBody(parsed({ documents: [{ text: "a" }, "b"], top_n: 1 }))).toEqual({
    model: "m",
    query: "q",
    documents: ["a", "b"],
  });
});

const LLAMA = {
  model: "m",
  object: "list",
  usage: { prompt_tokens: 21, total_tokens: 21 },
  results: [
    { index: 0, relevance_score: -1.5 },
    { index: 1, relevance_score: 2 },
    { index: 2, relevance_score: 2 },
  ],
};
const RANKED: RerankAnswer = {
  ranked: [
    { index: 1, score: 2 },
    { index: 2, score: 2 },
    { index: 0, score: -1.5 },
  ],
  promptTokens: 21,
};

test("answers of the engines are read, best first", () => {
  expect(fromRerankBody(JSON.stringify(LLAMA), parsed({}))).toEqual({ ok: true, value: RANKED });
  const vllm = { ...LLAMA, usage: { total_tokens: 21 }, results: LLAMA.results.toReversed() };
  expect(fromRerankBody(JSON.stringify(vllm), parsed({}))).toEqual({ ok: true, value: RANKED });
  const bare = LLAMA.results.map(({ index, relevance_score }) => ({ index, score: relevance_score }));
  expect(fromRerankBody(JSON.stringify(bare), parsed({}))).toEqual({ ok: true, value: { ...RANKED, promptTokens: 0 } });
});

test.each<[string, string]>([
  ["<html>", "not JSON"],
  ['{"error":{"message":"boom"}}', "boom"],
  ['{"data":[]}', "unknown shape"],
  ['{"results":[{"index":0}]}', "without a score"],
  ['{"results":[{"index":7,"relevance_score":1}]}', "was not sent"],
  ['{"results":[{"index":0,"relevance_score":1}]}', "each document once"],
])("an engine's %j is a failure", (body, cause) => {
  expect(fromRerankBody(body, parsed({}))).toMatchObject({
    ok: false,
    error: { kind: "engine_failed", cause: expect.stringContaining(cause) },
  });
});

test("the client gets the best ones, with their documents only when it asked for them", () => {
  const answer = toRerankAnswer(RANKED, parsed({ top_n: 1, return_documents: true }), "rerank-1");
  expect<unknown>(answer).toEqual({
    id: "rerank-1",
    object: "list",
    model: "m",
    results: [{ index: 1, relevance_score: 2, document: { text: "b" } }],
    usage: { prompt_tokens: 21, total_tokens: 21 },
    meta: { api_version: { version: "2" }, billed_units: { search_units: 1 } },
  });
  const all = toRerankAnswer(RANKED, parsed({ top_n: 9 }), "r").results;
  expect<unknown>(all).toEqual([
    { index: 1, relevance_score: 2 },
    { index: 2, relevance_score: 2 },
    { index: 0, relevance_score: -1.5 },
  ]);
});
