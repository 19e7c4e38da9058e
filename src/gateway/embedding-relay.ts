import type { JsonObject } from "../core/chat-request.ts";
import type { EmbeddingRequest, EmbeddingVectors } from "../core/embedding-request.ts";
import { engineFailure, type Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { TokenUsage } from "../core/token-usage.ts";
import {
  type EncodingFormat,
  readEmbeddings,
  toEmbeddingsAnswer,
  toEmbeddingsBody,
  writtenFormat,
} from "../dialect/openai-embeddings.ts";
import { modelRewriter } from "../dialect/rewrite-model.ts";
import { shortenVectors } from "../dialect/shorten-vectors.ts";
import type { ScannedBody } from "../wire/scan-body.ts";
import { splice } from "../wire/splice.ts";
import type { Choice } from "./ports.ts";
import type { PlannedCall, WholeAnswer, WholeRelay } from "./relay.ts";

/** Vectors are read here, shortened where that makes sense, and written as the client's API has them. */
export function embeddingRelay(asked: EmbeddingRequest, render: (answer: EmbeddingVectors) => JsonObject): WholeRelay {
  return {
    plan({ replica, wire }): Result<PlannedCall, Failure> {
      const { dimensions: _cut, ...whole } = asked;
      const request = { ...(wire.shortensVectors ? asked : whole), model: replica.engineModel };
      if (wire.embeddings) return wire.embeddings.plan(request, replica);
      if (wire.embeddingsPath === null) return err(withoutEmbeddings(asked.model));
      return ok({ path: wire.embeddingsPath, body: JSON.stringify(toEmbeddingsBody(request)) });
    },
    whole(bytes, { wire, replica }): Result<WholeAnswer, Failure> {
      const text = new TextDecoder().decode(bytes);
      const read = wire.embeddings?.read(text, asked) ?? readEmbeddings(text, asked.inputs.length);
      if (!read.ok) return read;
      const { dimensions } = asked;
      const names = [replica.engineModel, replica.model];
      const fit =
        dimensions === undefined || wire.shortensVectors ? read : shortenVectors(read.value, dimensions, names);
      if (!fit.ok) return fit;
      return ok({ body: JSON.stringify(render(fit.value)), usage: toUsage(fit.value.promptTokens) });
    },
  };
}

/**
 * The same for a client of OpenAI's API: where the engine speaks it too, bytes pass through but for the model's name, and
 * megabytes of vectors are never parsed.
 */
export function openaiEmbeddingRelay(
  asked: EmbeddingRequest & { readonly encodingFormat: EncodingFormat },
  body: ScannedBody,
): WholeRelay {
  const translated = embeddingRelay(asked, (answer) => toEmbeddingsAnswer(answer, asked));
  const passes = ({ wire }: Choice): boolean =>
    !wire.embeddings &&
    wire.embeddingsPath !== null &&
    (asked.dimensions === undefined || wire.shortensVectors === true);
  return {
    plan(choice): Result<PlannedCall, Failure> {
      const { wire, replica } = choice;
      if (!passes(choice) || wire.embeddingsPath === null) return translated.plan(choice);
      const edits = wire.echoesModel ? {} : { set: { model: JSON.stringify(replica.engineModel) } };
      return ok({ path: wire.embeddingsPath, body: splice(body, edits) });
    },
    whole(bytes, choice): Result<WholeAnswer, Failure> {
      const { wire, replica } = choice;
      // Vectors may weigh megabytes, and are of ASCII.
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
      if (!passes(choice) || writtenFormat(text) !== asked.encodingFormat) return translated.whole(bytes, choice);
      const usage = readUsage(text);
      if (!usage.ok) return usage;
      const rename = modelRewriter(wire.echoesModel ? asked.model : replica.engineModel, asked.model);
      return ok({ body: rename(bytes), usage: usage.value });
    },
  };
}

function withoutEmbeddings(model: string): Failure {
  const message = `The engine that serves "${model}" has no embeddings. GET /v1/models lists what each model can do.`;
  return { kind: "unsupported", capability: "embeddings", endpoint: false, message };
}

function toUsage(promptTokens: number): TokenUsage {
  return { promptTokens, completionTokens: 0, cachedTokens: 0 };
}

/** Only the usage object, which comes after or before the vectors, is parsed. */
function readUsage(text: string): Result<TokenUsage, Failure> {
  const broken = err(engineFailure("its answer could not be read"));
  const at = text.lastIndexOf('"usage"');
  const open = text.indexOf("{", at);
  const close = text.indexOf("}", open);
  if (at < 0 || open < 0 || close < 0 || !text.includes('"data"')) return broken;
  try {
    const usage = JSON.parse(text.slice(open, close + 1)) as { prompt_tokens?: unknown };
    return ok(toUsage(Number(usage.prompt_tokens ?? 0) || 0));
  } catch {
    return broken;
  }
}
