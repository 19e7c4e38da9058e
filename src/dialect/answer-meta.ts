import type { JsonObject } from "../core/chat-request.ts";

/** What an answer must carry that the engine does not know. */
export interface AnswerMeta {
  /** The answer's id in its surface's own form: `chatcmpl-…`, `msg_…`. */
  readonly id: string;
  /** The name that the client asked for. */
  readonly model: string;
  /** Epoch ms. */
  readonly createdAt: number;
  /** OpenAI streams: the client asked for the closing usage chunk. */
  readonly includeUsage: boolean;
  /** Anthropic streams begin with the prompt's tokens, before any engine has counted them. */
  readonly promptTokensEstimate: number;
  /** Anthropic: the client asked to know that the model thinks, not what (`thinking.display: "omitted"`). */
  readonly omitThinking?: boolean;
  /** Ollama answers tell how long they took: epoch ms, now. Absent: their durations are 0. */
  readonly now?: () => number;
  /** Responses: the request's parameters, which the answer repeats (`echoOf`); its tools tell how to name calls. */
  readonly echo?: JsonObject;
}
