import type { JsonObject, Sampling } from "../core/chat-request.ts";
import { optional } from "./optional.ts";

/** The fields that all of OpenAI's APIs share, with those that engines add to them. */
interface OpenaiSampling {
  readonly temperature?: number | null | undefined;
  readonly top_p?: number | null | undefined;
  readonly top_k?: number | null | undefined;
  readonly min_p?: number | null | undefined;
  readonly seed?: number | null | undefined;
  readonly presence_penalty?: number | null | undefined;
  readonly frequency_penalty?: number | null | undefined;
}

export function fromSampling(wire: OpenaiSampling): Sampling {
  return {
    ...optional("temperature", wire.temperature),
    ...optional("topP", wire.top_p),
    ...optional("topK", wire.top_k),
    ...optional("minP", wire.min_p),
    ...optional("seed", wire.seed),
    ...optional("presencePenalty", wire.presence_penalty),
    ...optional("frequencyPenalty", wire.frequency_penalty),
  };
}

export function toSampling(sampling: Sampling): JsonObject {
  return {
    ...optional("temperature", sampling.temperature),
    ...optional("top_p", sampling.topP),
    ...optional("top_k", sampling.topK),
    ...optional("min_p", sampling.minP),
    ...optional("seed", sampling.seed),
    ...optional("presence_penalty", sampling.presencePenalty),
    ...optional("frequency_penalty", sampling.frequencyPenalty),
  };
}
