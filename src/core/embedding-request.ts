/** Texts to turn into vectors, or the numbers of the model's own tokens. */
export interface EmbeddingRequest {
  readonly model: string;
  readonly inputs: readonly (string | readonly number[])[];
  /** Vectors shortened to so many values; absent: as long as the model's are. */
  readonly dimensions?: number;
}

/** One vector for each input, in their order. */
export interface EmbeddingVectors {
  readonly vectors: readonly (readonly number[])[];
  readonly promptTokens: number;
}
