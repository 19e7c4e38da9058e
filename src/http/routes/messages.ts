import { anthropicMessages } from "../../dialect/anthropic-messages/dialect.ts";
import { type ChatSurface, SSE } from "../../gateway/chat-surface.ts";

/** `POST /v1/messages` (Anthropic Messages), for any `anthropic-version` and any beta. */
export const messages: ChatSurface = {
  endpoint: "/v1/messages",
  dialect: anthropicMessages,
  passthrough: null,
  idPrefix: "msg_",
  maxTokensFields: ["max_tokens"],
  streamsByDefault: false,
  streamType: SSE,
  keepAlive: new TextEncoder().encode(anthropicMessages.keepAlive),
};
