import { z } from "zod";

const tokens = z.array(z.number().int().nonnegative()).min(1, "an empty list of tokens cannot be embedded");
const text = z.string().min(1, "an empty text cannot be embedded");
const atLeastOne = "at least one input is needed";

/** Body of `POST /v1/embeddings`. */
export const openaiEmbeddingsRequest = z.looseObject({
  model: z.string().min(1),
  input: z.union([text, z.array(text).min(1, atLeastOne), tokens, z.array(tokens).min(1, atLeastOne)]),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: z.number().int().positive().nullish(),
  user: z.string().nullish(),
});
