import type { ChatDialect } from "../dialect.ts";
import { KEEP_ALIVE } from "./keep-alive.ts";
import { parseRequest, toRequestBody } from "./request.ts";
import { fromResponseBody, toResponseBody } from "./response.ts";
import { decoder, encoder } from "./stream.ts";

/** Streams are NDJSON, and are the default: a body without `stream` asks for one. */
export const STREAM_CONTENT_TYPE = "application/x-ndjson";

/** Ollama's `POST /api/chat`. */
export const ollamaChat: ChatDialect = {
  surface: "ollama",
  parseRequest,
  toRequestBody,
  fromResponseBody,
  toResponseBody,
  decoder,
  encoder,
  keepAlive: KEEP_ALIVE,
};
