import { KEEP_ALIVE } from "../../wire/sse-write.ts";
import type { ChatDialect } from "../dialect.ts";
import { ignored, parseRequest, toRequestBody } from "./request.ts";
import { fromResponseBody, toResponseBody } from "./response.ts";
import { decoder, encoder } from "./stream.ts";

/** OpenAI's `POST /v1/chat/completions`, and what engines made of it. */
export const openaiChat: ChatDialect = {
  surface: "openai",
  parseRequest,
  ignored,
  toRequestBody,
  fromResponseBody,
  toResponseBody,
  decoder,
  encoder,
  keepAlive: KEEP_ALIVE,
};
