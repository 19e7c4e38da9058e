import { ollamaInsert } from "../../dialect/ollama-chat/generate.ts";
import { STREAM_CONTENT_TYPE } from "../../dialect/ollama-chat/dialect.ts";
import { openaiCompletions } from "../../dialect/openai-completions/dialect.ts";
import { SSE } from "../../gateway/chat-surface.ts";
import type { CompletionSurface } from "../../gateway/completion-surface.ts";

/** `POST /v1/completions` (OpenAI): a text to go on with as it is, or a gap to fill (`suffix`). */
export const completions: CompletionSurface = {
  endpoint: "/v1/completions",
  dialect: openaiCompletions,
  idPrefix: "cmpl-",
  streamType: SSE,
};

/** `POST /api/generate` (Ollama) with `suffix` or `raw`. */
export const ollamaInsertSurface: CompletionSurface = {
  endpoint: "/api/generate",
  dialect: ollamaInsert,
  idPrefix: "gen_",
  streamType: STREAM_CONTENT_TYPE,
};
