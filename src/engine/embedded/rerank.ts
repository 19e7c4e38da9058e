import type { LlamaModel, LlamaRankingContext } from "node-llama-cpp";
import { z } from "zod";
import { err, ok, type Result } from "../../core/result.ts";
import { firstIssue } from "./chat-body.ts";
import type { Counters } from "./counters.ts";
import { contextExceeded, type EngineError, invalidRequest, notSupported } from "./engine-error.ts";

const MAX_DOCUMENTS = 1000;
/** A pair is evaluated in one batch, and a batch takes memory by its length. */
const MAX_PAIR_TOKENS = 8192;

const body = z.looseObject({
  model: z.string().nullish(),
  query: z.string().min(1),
  documents: z
    .array(z.union([z.string(), z.looseObject({ text: z.string() })]))
    .min(1)
    .max(MAX_DOCUMENTS),
  top_n: z.int().min(1).nullish(),
  return_documents: z.boolean().nullish(),
});

/** The library's ranking context, made at the first use. */
export class RankingContext {
  readonly contextTokens: number;
  readonly #model: LlamaModel;
  readonly #threads: number;
  #context: Promise<LlamaRankingContext> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(model: LlamaModel, contextTokens: number, threads: number) {
    this.contextTokens = Math.min(contextTokens, MAX_PAIR_TOKENS);
    this.#model = model;
    this.#threads = threads;
  }

  get canRank(): boolean {
    return this.#model.fileInsights.supportsRanking;
  }

  /** Tokens of a pair with what the model wants around it. */
  async measure(query: string, document: string): Promise<number> {
    return (await this.#open()).calculateInputLength(query, document);
  }

  /** From 0 to 1. One pair at a time, in order; the library has no way to stop within one. */
  async score(query: string, document: string, signal: AbortSignal): Promise<number> {
    const context = await this.#open();
    const turn = this.#last.then(async () => {
      signal.throwIfAborted();
      return await context.rank(query, document);
    });
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  #open(): Promise<LlamaRankingContext> {
    this.#context ??= this.#model
      .createRankingContext({ contextSize: this.contextTokens, threads: this.#threads })
      .catch((error: unknown) => {
        // The next request may find more memory.
        this.#context = null;
        throw error;
      });
    return this.#context;
  }
}

/** `POST /v1/rerank`, in the shape that Jina, Cohere and llama-server share. Throws the signal's reason. */
export async function rerank(
  input: unknown,
  { ranking }: { readonly ranking: RankingContext },
  modelId: string,
  counters: Counters,
  signal: AbortSignal,
): Promise<Result<object, EngineError>> {
  if (!ranking.canRank) return err(notSupported("model", `reranking with ${modelId}, which is no reranker, is`));
  const parsed = body.safeParse(input);
  if (!parsed.success) return err(firstIssue(parsed.error));
  const { query, documents, top_n: most, return_documents: withText, model } = parsed.data;
  const texts = documents.map((document) => (typeof document === "string" ? document : document.text));
  let promptTokens = 0;
  for (const [index, text] of texts.entries()) {
    const length = await ranking.measure(query, text);
    if (length === 0) return err(invalidRequest(`'documents.${index}' is empty`, `documents.${index}`));
    if (length >= ranking.contextTokens) {
      return err({ ...contextExceeded(length, ranking.contextTokens), param: `documents.${index}` });
    }
    promptTokens += length;
  }
  const results: { index: number; relevance_score: number; document?: { text: string } }[] = [];
  for (const [index, text] of texts.entries()) {
    const relevance_score = await ranking.score(query, text, signal);
    results.push({ index, relevance_score, ...(withText ? { document: { text } } : {}) });
  }
  counters.embeddingTokens += promptTokens;
  results.sort((a, b) => b.relevance_score - a.relevance_score);
  return ok({
    object: "list",
    model: model ?? modelId,
    results: results.slice(0, most ?? results.length),
    usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
  });
}
