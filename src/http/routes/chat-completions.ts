import { openaiChat } from "../../dialect/openai-chat/dialect.ts";
import { responsesInChunks } from "../../dialect/openai-chat/responses-in-chunks.ts";
import { droppedFields } from "../../dialect/openai-responses/request-fields.ts";
import { ok } from "../../core/result.ts";
import { type ChatSurface, SSE } from "../../gateway/chat-surface.ts";

/** `POST /v1/chat/completions` (OpenAI Chat Completions). */
export const chatCompletions: ChatSurface = {
  endpoint: "/v1/chat/completions",
  dialect: openaiChat,
  passthrough: "openai-chat",
  idPrefix: "chatcmpl-",
  maxTokensFields: ["max_completion_tokens", "max_tokens", "max_output_tokens"],
  streamsByDefault: false,
  streamType: SSE,
  keepAlive: new TextEncoder().encode(openaiChat.keepAlive),
  prepare(body) {
    if (body.has("messages") || !body.has("input")) return AS_IT_IS;
    const asked = body.parse();
    const adjusted = ["input read as Responses", ...droppedFields(asked)];
    return ok({ body: asked, dialect: responsesInChunks, adjusted });
  },
};

const AS_IT_IS = ok({});
