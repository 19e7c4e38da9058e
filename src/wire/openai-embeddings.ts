import { z } from "zod";
import { later } from "./later.ts";
import { textOrTokens } from "./token-lists.ts";

/** Body of `POST /v1/embeddings`. */
export const openaiEmbeddingsRequest = later(() =>
  z.looseObject({
    model: z.string().min(1),
    input: textOrTokens({
      nothing: "at least one input is needed",
      noText: "an empty text cannot be embedded",
      noTokens: "an empty list of tokens cannot be embedded",
    }),
    encoding_format: z.enum(["float", "base64"]).nullish(),
    dimensions: z.number().int().positive().nullish(),
    user: z.string().nullish(),
  }),
);
