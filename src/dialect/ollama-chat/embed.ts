import type { JsonObject } from "../../core/chat-request.ts";
import { engineFailure, type Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { ollamaEmbeddingsRequest, ollamaEmbedRequest } from "../../wire/ollama.ts";
import { openaiEmbeddingsAnswer } from "../../wire/openai-embeddings-answer.ts";
import { parseBody } from "../../wire/parse-body.ts";
import { tryJson } from "../sse-decoder.ts";

/** An embedding call of an Ollama client, as the OpenAI call that does it. */
export interface EmbedCall {
  readonly model: string;
  /** Body of `POST /v1/embeddings`; null: nothing to embed, which loads the model and is answered with an empty list. */
  readonly body: JsonObject | null;
  /** Fields that are not followed, for `x-flock-adjusted`: an input that does not fit is refused here, never cut. */
  readonly ignored: readonly string[];
}

/** `POST /api/embed`. */
export function parseEmbed(body: unknown): Result<EmbedCall, Failure> {
  const parsed = parseBody(ollamaEmbedRequest, body);
  if (!parsed.ok) return parsed;
  const { model, input, dimensions, truncate } = parsed.value;
  const inputs = typeof input === "string" ? [input].filter((one) => one !== "") : (input ?? []);
  const empty = inputs.indexOf("");
  if (empty >= 0) {
    const field = `input[${empty}]`;
    return err({ kind: "invalid_request", field, message: `${field}: an empty text cannot be embedded` });
  }
  const ignored = truncate ? ["truncate"] : [];
  return ok({ model, body: inputs.length > 0 ? toBody(model, inputs, dimensions) : null, ignored });
}

/** `POST /api/embeddings`, the older form with one prompt. */
export function parseEmbeddings(body: unknown): Result<EmbedCall, Failure> {
  const parsed = parseBody(ollamaEmbeddingsRequest, body);
  if (!parsed.ok) return parsed;
  const { model, prompt } = parsed.value;
  return ok({ model, body: prompt ? toBody(model, [prompt], null) : null, ignored: [] });
}

/** 0 dimensions are all, as in Ollama. */
function toBody(model: string, input: string[], dimensions: number | null | undefined): JsonObject {
  return { model, input, encoding_format: "float", ...(dimensions ? { dimensions } : {}) };
}

export interface EmbedMeta {
  /** The name that the client asked for. */
  readonly model: string;
  readonly tookMs: number;
}

/** Answer of `/api/embed` from the body of an OpenAI answer; "" when nothing was asked of an engine. */
export function toEmbedAnswer(openaiBody: string, meta: EmbedMeta): Result<JsonObject, Failure> {
  const read = openaiBody === "" ? ok({ vectors: [], promptTokens: 0 }) : readVectors(openaiBody);
  if (!read.ok) return read;
  return ok({
    model: meta.model,
    embeddings: read.value.vectors,
    total_duration: Math.max(1, Math.round(meta.tookMs * 1_000_000)),
    load_duration: 0,
    prompt_eval_count: read.value.promptTokens,
  });
}

/** Answer of `/api/embeddings`. */
export function toEmbeddingsAnswer(openaiBody: string): Result<JsonObject, Failure> {
  const read = openaiBody === "" ? ok({ vectors: [], promptTokens: 0 }) : readVectors(openaiBody);
  return read.ok ? ok({ embedding: read.value.vectors[0] ?? [] }) : read;
}

function readVectors(body: string): Result<{ vectors: number[][]; promptTokens: number }, Failure> {
  const parsed = openaiEmbeddingsAnswer.safeParse(tryJson(body));
  if (!parsed.success) return err(engineFailure("the answer has an unknown shape"));
  const { data, usage } = parsed.data;
  const sorted = data.map((one, at) => ({ at: one.index ?? at, embedding: one.embedding }));
  sorted.sort((a, b) => a.at - b.at);
  const vectors = sorted.map(({ embedding }) => (typeof embedding === "string" ? fromBase64(embedding) : embedding));
  return ok({ vectors, promptTokens: usage?.prompt_tokens ?? 0 });
}

function fromBase64(text: string): number[] {
  const bytes = Buffer.from(text, "base64");
  const vector: number[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4) vector.push(bytes.readFloatLE(at));
  return vector;
}
