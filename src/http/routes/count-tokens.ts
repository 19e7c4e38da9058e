import { anthropicMessages } from "../../dialect/anthropic-messages/dialect.ts";
import { openaiResponses } from "../../dialect/openai-responses/dialect.ts";
import type { CountSurface } from "../../gateway/serve-count-tokens.ts";

/** `POST /v1/messages/count_tokens` (Anthropic). */
export const countMessages: CountSurface = {
  endpoint: "/v1/messages/count_tokens",
  dialect: anthropicMessages,
  toAnswer: (input_tokens) => ({ input_tokens }),
};

/** `POST /v1/responses/input_tokens` (OpenAI Responses). */
export const countResponses: CountSurface = {
  endpoint: "/v1/responses/input_tokens",
  dialect: openaiResponses,
  toAnswer: (input_tokens) => ({ object: "response.input_tokens", input_tokens }),
};
