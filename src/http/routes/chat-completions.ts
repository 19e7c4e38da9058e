import { openaiChat } from "../../dialect/openai-chat/dialect.ts";
import { type ChatSurface, SSE } from "../../gateway/chat-surface.ts";

/** `POST /v1/chat/completions` (OpenAI Chat Completions). */
export const chatCompletions: ChatSurface = {
  endpoint: "/v1/chat/completions",
  dialect: openaiChat,
  passthrough: "openai-chat",
  idPrefix: "chatcmpl-",
  maxTokensFields: ["max_completion_tokens", "max_tokens"],
  streamsByDefault: false,
  streamType: SSE,
  keepAlive: new TextEncoder().encode(openaiChat.keepAlive),
};
