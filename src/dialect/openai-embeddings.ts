import type { JsonObject, JsonValue } from "../core/chat-request.ts";
import type { EmbeddingRequest, EmbeddingVectors } from "../core/embedding-request.ts";
import { engineFailure, type Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import { openaiEmbeddingsAnswer } from "../wire/openai-embeddings-answer.ts";
import { openaiEmbeddingsRequest } from "../wire/openai-embeddings.ts";
import { parseBody } from "../wire/parse-body.ts";
import { tryJson } from "./sse-decoder.ts";

export type EncodingFormat = "float" | "base64";

/** What a client of OpenAI's API asks. */
export interface EmbeddingsCall extends EmbeddingRequest {
  /** Exact where the client sent tokens, else about four bytes to a token. */
  readonly promptTokensEstimate: number;
  readonly encodingFormat: EncodingFormat;
}

const BYTES_PER_TOKEN = 4;

export function parseEmbeddingsRequest(body: unknown): Result<EmbeddingsCall, Failure> {
  const parsed = parseBody(openaiEmbeddingsRequest(), body);
  if (!parsed.ok) return parsed;
  const { model, input, encoding_format, dimensions } = parsed.value;
  const inputs = toInputs(input);
  return ok({
    model,
    inputs,
    ...(typeof dimensions === "number" ? { dimensions } : {}),
    promptTokensEstimate: estimateInputs(inputs),
    encodingFormat: encoding_format ?? "float",
  });
}

function toInputs(input: string | readonly (string | number | readonly number[])[]): EmbeddingRequest["inputs"] {
  if (typeof input === "string") return [input];
  return typeof input[0] === "number" ? [input as number[]] : (input as EmbeddingRequest["inputs"]);
}

export function estimateInputs(inputs: EmbeddingRequest["inputs"]): number {
  return inputs.reduce(
    (sum, input) =>
      sum + (typeof input === "string" ? Math.ceil(Buffer.byteLength(input) / BYTES_PER_TOKEN) : input.length),
    0,
  );
}

/** The body for an engine of this dialect; its vectors are to be read here, so they are asked for as numbers. */
export function toEmbeddingsBody(request: EmbeddingRequest): JsonObject {
  const { model, inputs, dimensions } = request;
  const input: JsonValue[] = inputs.map((one) => (typeof one === "string" ? one : [...one]));
  return { model, input, encoding_format: "float", ...(dimensions === undefined ? {} : { dimensions }) };
}

/** The whole text of an engine's 2xx answer. */
export function readEmbeddings(text: string, inputs: number): Result<EmbeddingVectors, Failure> {
  const parsed = openaiEmbeddingsAnswer().safeParse(tryJson(text));
  if (!parsed.success) return err(engineFailure("the answer has an unknown shape"));
  const { data, usage } = parsed.data;
  if (data.length !== inputs) return err(engineFailure(`${data.length} vectors came for ${inputs} inputs`));
  const sorted = data.map((one, at) => ({ at: one.index ?? at, embedding: one.embedding }));
  sorted.sort((a, b) => a.at - b.at);
  const vectors = sorted.map(({ embedding }) => (typeof embedding === "string" ? fromBase64(embedding) : embedding));
  return ok({ vectors, promptTokens: usage?.prompt_tokens ?? 0 });
}

export function toEmbeddingsAnswer(
  { vectors, promptTokens }: EmbeddingVectors,
  { model, encodingFormat }: Pick<EmbeddingsCall, "model" | "encodingFormat">,
): JsonObject {
  return {
    object: "list",
    data: vectors.map((vector, index) => ({
      object: "embedding",
      index,
      embedding: encodingFormat === "base64" ? toBase64(vector) : [...vector],
    })),
    model,
    usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
  };
}

/**
 * Whether the vectors of an answer are written as they were asked for: some engines do not know the field and send
 * numbers to a client that will read base64. Null: there is no vector in it.
 */
export function writtenFormat(answer: string): EncodingFormat | null {
  const first = /"embedding"\s*:\s*(["[])/.exec(answer)?.[1];
  if (first === undefined) return null;
  return first === "[" ? "float" : "base64";
}

/** Little-endian float32, as OpenAI's clients unpack it. */
function toBase64(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [at, value] of vector.entries()) bytes.writeFloatLE(value, at * 4);
  return bytes.toString("base64");
}

function fromBase64(text: string): number[] {
  const bytes = Buffer.from(text, "base64");
  const vector: number[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4) vector.push(bytes.readFloatLE(at));
  return vector;
}
