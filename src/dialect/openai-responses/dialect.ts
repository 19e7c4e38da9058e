import { KEEP_ALIVE } from "../../wire/sse-write.ts";
import type { ChatDialect } from "../dialect.ts";
import { parseRequest, toRequestBody } from "./request.ts";
import { fromResponseBody, toResponseBody } from "./response.ts";
import { decoder, encoder } from "./stream.ts";

/** OpenAI's `POST /v1/responses`. */
export const openaiResponses: ChatDialect = {
  surface: "openai",
  parseRequest,
  toRequestBody,
  fromResponseBody,
  toResponseBody,
  decoder,
  encoder,
  keepAlive: KEEP_ALIVE,
};
