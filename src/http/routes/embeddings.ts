import { ok } from "../../core/result.ts";
import {
  type EmbedCall,
  parseEmbed,
  parseEmbeddings,
  toEmbedAnswer,
  toEmbeddingsAnswer,
} from "../../dialect/ollama-chat/embed.ts";
import { type EmbeddingsCall, estimateInputs, parseEmbeddingsRequest } from "../../dialect/openai-embeddings.ts";
import { embeddingRelay, openaiEmbeddingRelay } from "../../gateway/embedding-relay.ts";
import type { ReadingCall, ReadingSurface } from "../../gateway/serve-reading.ts";

const need = { chat: false, embeddings: true };

/** `POST /v1/embeddings` (OpenAI). */
export const embeddings: ReadingSurface<EmbeddingsCall> = {
  endpoint: "/v1/embeddings",
  surface: "openai",
  need,
  parse: parseEmbeddingsRequest,
  relay: openaiEmbeddingRelay,
};

type OllamaCall = EmbedCall & ReadingCall;

/** `POST /api/embed` (Ollama). */
export const ollamaEmbed: ReadingSurface<OllamaCall> = {
  endpoint: "/api/embed",
  surface: "ollama",
  need,
  parse(body) {
    const call = parseEmbed(body);
    return call.ok ? ok(weighed(call.value)) : call;
  },
  atOnce: (call) => (call.inputs.length > 0 ? null : toEmbedAnswer(NOTHING, { model: call.model, tookMs: 0 })),
  relay: (call, _body, account) =>
    embeddingRelay(call, (answer) =>
      toEmbedAnswer(answer, { model: call.model, tookMs: performance.now() - account.startedMs }),
    ),
};

/** `POST /api/embeddings` (Ollama, the older form). */
export const ollamaEmbeddings: ReadingSurface<OllamaCall> = {
  endpoint: "/api/embeddings",
  surface: "ollama",
  need,
  parse(body) {
    const call = parseEmbeddings(body);
    return call.ok ? ok(weighed(call.value)) : call;
  },
  atOnce: (call) => (call.inputs.length > 0 ? null : toEmbeddingsAnswer(NOTHING)),
  relay: (call) => embeddingRelay(call, toEmbeddingsAnswer),
};

const NOTHING = { vectors: [], promptTokens: 0 };

function weighed(call: EmbedCall): OllamaCall {
  return { ...call, promptTokensEstimate: estimateInputs(call.inputs) };
}
