import type { Replica } from "../../src/core/replica.ts";

const ABILITIES = {
  chat: true,
  embeddings: false,
  rerank: false,
  tools: true,
  images: false,
  audio: false,
  thinking: false,
};

/** A replica of the model `sim` on a node of its own; its id is its number. */
export function simReplica(at: number, more: Partial<Replica> = {}): Replica {
  return {
    id: String(at),
    node: `node${at}`,
    engine: "vllm",
    engineId: "vllm",
    model: "sim",
    engineModel: "sim",
    contextTokens: 32_768,
    slots: 256,
    abilities: ABILITIES,
    smokeTest: false,
    ...more,
  };
}
