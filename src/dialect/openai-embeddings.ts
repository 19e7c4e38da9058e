import type { Failure } from "../core/failure.ts";
import { ok, type Result } from "../core/result.ts";
import { openaiEmbeddingsRequest } from "../wire/openai-embeddings.ts";
import { parseBody } from "../wire/parse-body.ts";

/** What admission needs of an embeddings request; the engine gets the client's own bytes. */
export interface EmbeddingsRequest {
  readonly model: string;
  /** How many vectors the answer will have. */
  readonly inputs: number;
  /** Exact where the client sent tokens, else about four bytes to a token. */
  readonly promptTokensEstimate: number;
  readonly encodingFormat: "float" | "base64";
  readonly dimensions: number | null;
}

const BYTES_PER_TOKEN = 4;

export function parseEmbeddingsRequest(body: unknown): Result<EmbeddingsRequest, Failure> {
  const parsed = parseBody(openaiEmbeddingsRequest, body);
  if (!parsed.ok) return parsed;
  const { model, input, encoding_format, dimensions } = parsed.value;
  const items: readonly (string | number | readonly number[])[] = typeof input === "string" ? [input] : input;
  const single = typeof items[0] === "number";
  return ok({
    model,
    inputs: single ? 1 : items.length,
    promptTokensEstimate: items.reduce<number>((sum, item) => sum + estimate(item), 0),
    encodingFormat: encoding_format ?? "float",
    dimensions: dimensions ?? null,
  });
}

function estimate(item: string | number | readonly number[]): number {
  if (typeof item === "number") return 1;
  return typeof item === "string" ? Math.ceil(Buffer.byteLength(item) / BYTES_PER_TOKEN) : item.length;
}
