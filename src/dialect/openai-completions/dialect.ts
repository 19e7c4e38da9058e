import { KEEP_ALIVE } from "../../wire/sse-write.ts";
import type { CompletionDialect } from "../completion-dialect.ts";
import { parseRequest, toRequestBody } from "./request.ts";
import { fromResponseBody, toResponseBody } from "./response.ts";
import { decoder, encoder } from "./stream.ts";

/** OpenAI's `POST /v1/completions`. */
export const openaiCompletions: CompletionDialect = {
  surface: "openai",
  parseRequest,
  toRequestBody,
  fromResponseBody,
  toResponseBody,
  decoder,
  encoder,
  keepAlive: KEEP_ALIVE,
};
