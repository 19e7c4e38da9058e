import { anthropicMessages } from "../../dialect/anthropic-messages/dialect.ts";
import type { ChatSurface } from "../../gateway/serve-chat.ts";

/** `POST /v1/messages` (Anthropic Messages), for any `anthropic-version` and any beta. */
export const messages: ChatSurface = {
  endpoint: "/v1/messages",
  dialect: anthropicMessages,
  passthrough: null,
  maxTokensFields: ["max_tokens"],
  keepAlive: new TextEncoder().encode(anthropicMessages.keepAlive),
};
