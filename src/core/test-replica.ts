import type { ModelAbilities, Replica } from "./replica.ts";

/** For tests: a model that can do these things and nothing else. */
export function able(...to: readonly (keyof ModelAbilities)[]): ModelAbilities {
  const none = {
    chat: false,
    embeddings: false,
    rerank: false,
    tools: false,
    images: false,
    audio: false,
    thinking: false,
  };
  return { ...none, ...Object.fromEntries(to.map((what) => [what, true])) };
}

/** For tests: a replica of a llama-server of this machine, or of another engine; one name follows from the other. */
export function testReplica(more: Partial<Replica> = {}): Replica {
  const { node = "local", engine = "llamacpp", engineId = engine, model = "tiny" } = more;
  return {
    id: `${node}/${engineId}/${model}`,
    node,
    engine,
    engineId,
    model,
    engineModel: model,
    contextTokens: 1024,
    slots: 4,
    abilities: able("chat"),
    smokeTest: false,
    ...more,
  };
}
