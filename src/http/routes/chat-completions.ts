import { openaiChat } from "../../dialect/openai-chat/dialect.ts";
import type { ChatSurface } from "../../gateway/serve-chat.ts";

/** `POST /v1/chat/completions` (OpenAI Chat Completions). */
export const chatCompletions: ChatSurface = {
  endpoint: "/v1/chat/completions",
  dialect: openaiChat,
  passthrough: "openai-chat",
  maxTokensFields: ["max_completion_tokens", "max_tokens"],
  keepAlive: new TextEncoder().encode(openaiChat.keepAlive),
};
