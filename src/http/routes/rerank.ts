import { newId } from "../../core/id.ts";
import { err, ok } from "../../core/result.ts";
import {
  fromRerankBody,
  parseRerankRequest,
  type RerankRequest,
  toRerankAnswer,
  toRerankBody,
} from "../../dialect/rerank.ts";
import type { ReadingSurface } from "../../gateway/serve-reading.ts";

/** `POST /v1/rerank`, in the shape that Jina and Cohere share. */
export const rerank: ReadingSurface<RerankRequest> = {
  endpoint: "/v1/rerank",
  surface: "openai",
  need: { chat: false, embeddings: false, rerank: true },
  parse: parseRerankRequest,
  relay: (call) => ({
    plan({ replica, wire }) {
      if (wire.rerankPath === undefined) {
        const message = `The engine that serves "${call.model}" cannot rank. GET /v1/models lists what each model can do.`;
        return err({ kind: "unsupported", capability: "rerank", endpoint: false, message });
      }
      return ok({ path: wire.rerankPath, body: JSON.stringify(toRerankBody({ ...call, model: replica.engineModel })) });
    },
    whole(bytes) {
      const answer = fromRerankBody(new TextDecoder().decode(bytes), call);
      if (!answer.ok) return answer;
      const usage = { promptTokens: answer.value.promptTokens, completionTokens: 0, cachedTokens: 0 };
      return ok({ body: JSON.stringify(toRerankAnswer(answer.value, call, newId("rerank", 24))), usage });
    },
  }),
};
