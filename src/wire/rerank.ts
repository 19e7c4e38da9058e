import { z } from "zod";
import { later } from "./later.ts";
import { openaiUsage } from "./openai-chat.ts";

const document = later(() => z.union([z.string(), z.looseObject({ text: z.string() })]));

/** Body of `POST /v1/rerank`, as Jina, Cohere and the engines have it. */
export const rerankRequest = later(() =>
  z.looseObject({
    model: z.string().min(1),
    query: z.string().min(1, "an empty query ranks nothing"),
    documents: z.array(document()).min(1, "at least one document is needed"),
    top_n: z.number().int().positive().nullish(),
    return_documents: z.boolean().nullish(),
    /** Cohere: which fields of a document() count. */
    rank_fields: z.array(z.string()).nullish(),
    max_tokens_per_doc: z.number().int().positive().nullish(),
  }),
);

/** Answer of an engine. llama-server and vLLM say `relevance_score`, text-embeddings-inference `score`. */
const result = later(() =>
  z.looseObject({
    index: z.number().int().nonnegative(),
    relevance_score: z.number().nullish(),
    score: z.number().nullish(),
  }),
);
export const rerankAnswer = later(() =>
  z.looseObject({
    results: z.array(result()),
    usage: z.looseObject({ ...openaiUsage().shape, total_tokens: z.number().int().nonnegative().nullish() }).nullish(),
  }),
);
