import { err, ok } from "../../core/result.ts";
import { planCompletion } from "../../dialect/ollama-chat/generate.ts";
import { decoder } from "../../dialect/ollama-chat/stream.ts";
import type { CompletionWire } from "../driver.ts";

/** Over `POST /api/generate`: a lone prompt as it is, one with a suffix through the model's own marks for a gap. */
export const ollamaCompletions: CompletionWire = {
  plan(request, extra, replica) {
    const [field] = Object.keys(extra);
    if (field !== undefined) {
      const message = `${field}: Ollama has no such field for completions.`;
      return err({ kind: "unsupported", capability: field, endpoint: false, message });
    }
    const { keepAlive } = replica;
    const body = planCompletion(request, {
      model: replica.engineModel,
      numCtx: replica.contextTokens,
      canThink: replica.abilities.thinking,
      ...(keepAlive === undefined ? {} : { keepAlive }),
    });
    return body.ok ? ok({ path: "/api/generate", body: JSON.stringify(body.value) }) : body;
  },
  decode: decoder,
};
