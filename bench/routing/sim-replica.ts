import { able, testReplica } from "../../src/core/test-replica.ts";
import type { Replica } from "../../src/core/replica.ts";

const ABILITIES = able("chat", "tools");

/** A replica of the model `sim` on a node of its own; its id is its number. */
export function simReplica(at: number, more: Partial<Replica> = {}): Replica {
  return testReplica({
    id: String(at),
    node: `node${at}`,
    engine: "vllm",
    model: "sim",
    contextTokens: 32_768,
    slots: 256,
    abilities: ABILITIES,
    ...more,
  });
}
