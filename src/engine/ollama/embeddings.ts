import { engineFailure, type Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { ollamaEmbedAnswer } from "../../wire/ollama.ts";
import type { EmbeddingWire } from "../driver.ts";

/** Over `POST /api/embed`: Ollama's `/v1/embeddings` cuts what does not fit, in silence. */
export const ollamaEmbeddings: EmbeddingWire = {
  plan({ inputs, dimensions }, replica) {
    const texts = readTexts(inputs);
    if (!texts.ok) return texts;
    const body = {
      model: replica.engineModel,
      input: texts.value,
      truncate: false,
      ...(dimensions === undefined ? {} : { dimensions }),
      options: { num_ctx: replica.contextTokens },
      ...(replica.keepAlive === undefined ? {} : { keep_alive: replica.keepAlive }),
    };
    return ok({ path: "/api/embed", body: JSON.stringify(body) });
  },
  read(body, { inputs }) {
    const parsed = ollamaEmbedAnswer().safeParse(parseJson(body));
    if (!parsed.success || parsed.data.embeddings.length !== inputs.length) {
      return err(engineFailure("its answer could not be read"));
    }
    return ok({ vectors: parsed.data.embeddings, promptTokens: parsed.data.prompt_eval_count ?? 0 });
  },
};

function readTexts(inputs: readonly (string | readonly number[])[]): Result<string[], Failure> {
  const texts = inputs.filter((one) => typeof one === "string");
  if (texts.length === inputs.length) return ok(texts);
  const message = "Ollama embeds texts, not lists of token numbers: send input as text.";
  return err({ kind: "unsupported", capability: "token arrays", endpoint: false, message });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
