import { anthropicMessages } from "./anthropic-messages/dialect.ts";
import { openaiChat } from "./openai-chat/dialect.ts";
import { openaiResponses } from "./openai-responses/dialect.ts";

/**
 * Builds what the first request of a coding agent would wait for, up to 6 ms: the schemas of the two APIs that they speak
 * and that are always translated, and of what engines answer.
 */
export function warmUp(): void {
  anthropicMessages.parseRequest({});
  openaiResponses.parseRequest({});
  openaiChat.fromResponseBody("{}");
}
