import { z } from "zod";
import { later } from "./later.ts";
import { openaiUsage } from "./openai-chat.ts";

/** Answer of `POST /v1/embeddings`. Vectors are numbers, or base64 of little-endian float32 where that was asked for. */
export const openaiEmbeddingsAnswer = later(() =>
  z.looseObject({
    data: z.array(
      z.looseObject({ index: z.number().int().nullish(), embedding: z.union([z.array(z.number()), z.string()]) }),
    ),
    usage: openaiUsage().nullish(),
  }),
);
