import type { JsonObject } from "../../core/chat-request.ts";
import type { EmbeddingRequest, EmbeddingVectors } from "../../core/embedding-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { ollamaEmbeddingsRequest, ollamaEmbedRequest } from "../../wire/ollama.ts";
import { parseBody } from "../../wire/parse-body.ts";

/** An embedding call of an Ollama client. */
export interface EmbedCall extends EmbeddingRequest {
  /** Fields that are not followed, for `x-flock-adjusted`: an input that does not fit is refused here, never cut. */
  readonly ignored: readonly string[];
}

/** `POST /api/embed`. Without any input it loads the model, and is answered with an empty list. */
export function parseEmbed(body: unknown): Result<EmbedCall, Failure> {
  const parsed = parseBody(ollamaEmbedRequest(), body);
  if (!parsed.ok) return parsed;
  const { model, input, dimensions, truncate } = parsed.value;
  const inputs = typeof input === "string" ? [input].filter((one) => one !== "") : (input ?? []);
  const empty = inputs.indexOf("");
  if (empty >= 0) {
    const field = `input[${empty}]`;
    return err({ kind: "invalid_request", field, message: `${field}: an empty text cannot be embedded` });
  }
  // 0 dimensions are all, as in Ollama.
  return ok({ model, inputs, ...(dimensions ? { dimensions } : {}), ignored: truncate ? ["truncate"] : [] });
}

/** `POST /api/embeddings`, the older form with one prompt. */
export function parseEmbeddings(body: unknown): Result<EmbedCall, Failure> {
  const parsed = parseBody(ollamaEmbeddingsRequest(), body);
  if (!parsed.ok) return parsed;
  const { model, prompt } = parsed.value;
  return ok({ model, inputs: prompt ? [prompt] : [], ignored: [] });
}

export interface EmbedMeta {
  /** The name that the client asked for. */
  readonly model: string;
  readonly tookMs: number;
}

/** Answer of `/api/embed`. */
export function toEmbedAnswer({ vectors, promptTokens }: EmbeddingVectors, meta: EmbedMeta): JsonObject {
  return {
    model: meta.model,
    embeddings: vectors.map((vector) => [...vector]),
    total_duration: Math.max(1, Math.round(meta.tookMs * 1_000_000)),
    load_duration: 0,
    prompt_eval_count: promptTokens,
  };
}

/** Answer of `/api/embeddings`. */
export function toEmbeddingsAnswer({ vectors }: EmbeddingVectors): JsonObject {
  return { embedding: [...(vectors[0] ?? [])] };
}
