import type { JsonObject } from "../core/chat-request.ts";
import { engineFailure, type Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import { parseBody, isJsonObject } from "../wire/parse-body.ts";
import { rerankAnswer, rerankRequest } from "../wire/rerank.ts";
import { errorText, tryJson } from "./sse-decoder.ts";

export interface RerankRequest {
  readonly model: string;
  readonly query: string;
  readonly documents: readonly string[];
  /** Null: all of them. */
  readonly topN: number | null;
  readonly returnDocuments: boolean;
  /** About four bytes to a token; each document is read together with the query. */
  readonly promptTokensEstimate: number;
}

export interface RerankAnswer {
  /** By falling score. */
  readonly ranked: readonly { readonly index: number; readonly score: number }[];
  readonly promptTokens: number;
}

const BYTES_PER_TOKEN = 4;

export function parseRerankRequest(body: unknown): Result<RerankRequest, Failure> {
  const parsed = parseBody(rerankRequest(), body);
  if (!parsed.ok) return parsed;
  const { model, query, top_n, return_documents, rank_fields, max_tokens_per_doc } = parsed.value;
  if (rank_fields?.some((field) => field !== "text")) {
    return err(unsupported("rank_fields", "rank_fields other than text: send each document as one text"));
  }
  if (typeof max_tokens_per_doc === "number") {
    return err(unsupported("max_tokens_per_doc", "max_tokens_per_doc: documents are never cut here, shorten them"));
  }
  const documents = parsed.value.documents.map((one) => (typeof one === "string" ? one : one.text));
  return ok({
    model,
    query,
    documents,
    topN: top_n ?? null,
    returnDocuments: return_documents ?? false,
    promptTokensEstimate: documents.reduce((sum, one) => sum + estimate(query) + estimate(one), 0),
  });
}

/** What an engine is asked: documents as texts, which all of them take. It ranks all; the best are picked here. */
export function toRerankBody(request: RerankRequest): JsonObject {
  return { model: request.model, query: request.query, documents: [...request.documents] };
}

/** The whole text of an engine's 2xx answer to `request`. */
export function fromRerankBody(text: string, request: RerankRequest): Result<RerankAnswer, Failure> {
  const json = tryJson(text);
  if (json === undefined) return err(engineFailure("the answer is not JSON"));
  if (isJsonObject(json) && json.error !== undefined && json.error !== null) {
    return err(engineFailure(errorText(json.error)));
  }
  // Text-embeddings-inference sends the bare list.
  const parsed = rerankAnswer().safeParse(Array.isArray(json) ? { results: json } : json);
  if (!parsed.success) return err(engineFailure("the answer has an unknown shape"));
  const ranked: { index: number; score: number }[] = [];
  for (const { index, relevance_score, score } of parsed.data.results) {
    const given = relevance_score ?? score;
    if (typeof given !== "number") return err(engineFailure("the answer has a result without a score"));
    if (index >= request.documents.length) return err(engineFailure("the answer ranks a document that was not sent"));
    ranked.push({ index, score: given });
  }
  const count = request.documents.length;
  if (ranked.length !== count || new Set(ranked.map((one) => one.index)).size !== count) {
    return err(engineFailure("the answer does not rank each document once"));
  }
  ranked.sort((a, b) => b.score - a.score || a.index - b.index);
  const { usage } = parsed.data;
  return ok({ ranked, promptTokens: usage?.prompt_tokens ?? usage?.total_tokens ?? 0 });
}

/** The client's answer: what Jina's and Cohere's have in common, and the members that only one of them has. */
export function toRerankAnswer(answer: RerankAnswer, request: RerankRequest, id: string): JsonObject {
  const results = answer.ranked.slice(0, request.topN ?? answer.ranked.length).map(({ index, score }) => ({
    index,
    relevance_score: score,
    ...(request.returnDocuments ? { document: { text: request.documents[index] ?? "" } } : {}),
  }));
  return {
    id,
    object: "list",
    model: request.model,
    results,
    usage: { prompt_tokens: answer.promptTokens, total_tokens: answer.promptTokens },
    meta: { api_version: { version: "2" }, billed_units: { search_units: 1 } },
  };
}

function unsupported(capability: string, what: string): Failure {
  return { kind: "unsupported", capability, endpoint: false, message: `This model does not support ${what}.` };
}

function estimate(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}
