import { ollamaChat, STREAM_CONTENT_TYPE } from "../../dialect/ollama-chat/dialect.ts";
import { ollamaGenerate } from "../../dialect/ollama-chat/generate.ts";
import { ignoredFields } from "../../dialect/ollama-chat/request.ts";
import { ok } from "../../core/result.ts";
import type { ChatSurface } from "../../gateway/chat-surface.ts";

const shared = {
  // An Ollama engine is asked with a fixed context and without its silent truncation: never the client's bytes.
  passthrough: null,
  idPrefix: "chat_",
  maxTokensFields: ["options.num_predict"],
  streamsByDefault: true,
  streamType: STREAM_CONTENT_TYPE,
  keepAlive: new TextEncoder().encode(ollamaChat.keepAlive),
  async prepare(body) {
    const parsed = body.parse();
    return ok({ adjusted: ignoredFields(parsed), body: parsed });
  },
} satisfies Partial<ChatSurface>;

/** `POST /api/chat` (Ollama). */
export const ollamaChatSurface: ChatSurface = { ...shared, endpoint: "/api/chat", dialect: ollamaChat };

/** `POST /api/generate` (Ollama) for prompts; one with a suffix is a completion. */
export const ollamaGenerateSurface: ChatSurface = { ...shared, endpoint: "/api/generate", dialect: ollamaGenerate };
