import { KEEP_ALIVE } from "../../wire/sse-write.ts";
import type { ChatDialect } from "../dialect.ts";
import { ignored, parseRequest, toRequestBody } from "./request.ts";
import { fromResponseBody, toResponseBody } from "./response.ts";
import { decoder, encoder } from "./stream.ts";

/** Anthropic's `POST /v1/messages`. */
export const anthropicMessages: ChatDialect = {
  surface: "anthropic",
  parseRequest,
  ignored,
  toRequestBody,
  fromResponseBody,
  toResponseBody,
  decoder,
  encoder,
  keepAlive: KEEP_ALIVE,
};
