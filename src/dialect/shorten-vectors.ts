import type { EmbeddingVectors } from "../core/embedding-request.ts";
import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";

interface Shortening {
  readonly name: RegExp;
  /** Below this the model's authors promise nothing. */
  readonly least: number;
  /** The model was trained with its values centred before they are cut. */
  readonly centred?: true;
}

/**
 * Models that were trained so that the first values of a vector are a vector too (Matryoshka representation learning), as
 * their authors say. Of any other model a shortened vector means nothing.
 */
const SHORTENED: readonly Shortening[] = [
  { name: /qwen3-embedding/, least: 32 },
  { name: /embedding-?gemma/, least: 128 },
  { name: /mxbai-embed-large/, least: 64 },
  { name: /snowflake-arctic-embed(-[ml]-v(1\.5|2)|2)/, least: 256 },
  { name: /jina-embeddings-v[345]/, least: 32 },
  { name: /nomic-embed-text-v2/, least: 256 },
  { name: /nomic-embed-text(-v1\.5|$|:)/, least: 64, centred: true },
];

/**
 * Vectors of `dimensions` values and length one, or why that would make no sense. `names`: all that the model is called;
 * its file's name tells most.
 */
export function shortenVectors(
  answer: EmbeddingVectors,
  dimensions: number,
  names: readonly string[],
): Result<EmbeddingVectors, Failure> {
  const size = answer.vectors[0]?.length ?? 0;
  if (size === dimensions) return ok(answer);
  const rule = SHORTENED.find(({ name }) => names.some((one) => name.test(one.toLowerCase())));
  if (!rule) return err(wrong(`this model's vectors have ${size} values, and it was not trained to be shortened`));
  if (dimensions > size) return err(wrong(`this model's vectors have ${size} values at most`));
  if (dimensions < rule.least) return err(wrong(`this model's vectors have at least ${rule.least} values`));
  return ok({ ...answer, vectors: answer.vectors.map((vector) => shorten(vector, dimensions, rule.centred === true)) });
}

function shorten(vector: readonly number[], dimensions: number, centred: boolean): number[] {
  const mean = centred ? vector.reduce((sum, value) => sum + value, 0) / vector.length : 0;
  const kept = vector.slice(0, dimensions).map((value) => value - mean);
  const norm = Math.hypot(...kept);
  return norm > 0 ? kept.map((value) => value / norm) : kept;
}

function wrong(problem: string): Failure {
  return { kind: "invalid_request", field: "dimensions", message: `dimensions: ${problem}` };
}
