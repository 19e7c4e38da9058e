import { expect, test } from "bun:test";
import type { EngineStatus } from "../core/node.ts";
import type { EngineKind, Replica } from "../core/replica.ts";
import { chooseDefaultModel, type DefaultWish } from "./default-model.ts";

const ABILITIES = { embeddings: false, rerank: false, images: false, audio: false, thinking: false };

function replica(engine: EngineKind, model: string, more: { tools?: boolean; chat?: boolean } = {}): Replica {
  return {
    id: `local/${engine}/${model}`,
    node: "local",
    engine,
    engineId: engine,
    model,
    engineModel: model,
    contextTokens: 4096,
    slots: 1,
    abilities: { ...ABILITIES, chat: more.chat ?? true, tools: more.tools ?? true },
    smokeTest: model === "flock-tiny",
  };
}

function down(kind: EngineKind, models: readonly string[]): EngineStatus {
  const rest = {
    managed: false,
    endpoint: "",
    secret: "",
    pid: null,
    restarts: 0,
    problem: "gone",
    start: "",
    epoch: 1,
  };
  return { id: kind, kind, state: "stopped", models, ...rest };
}

const AUTO: DefaultWish = { configured: "", preferred: "auto", last: "" };
const TINY = replica("embedded", "flock-tiny");
const OWN = replica("embedded", "own");
const OLLAMA = [replica("ollama", "nomic", { chat: false }), replica("ollama", "old", { tools: false })];
const QWEN = replica("ollama", "qwen3:8b");
const VLLM = replica("vllm", "big");

const cases: [string, readonly Replica[], Partial<DefaultWish>, string, EngineStatus[]?][] = [
  ["nothing where nothing is served", [], {}, ""],
  ["the smoke-test model where there is no other", [TINY], {}, "flock-tiny"],
  ["a real model before the smoke-test one", [TINY, OWN], {}, "own"],
  ["a running engine's before the embedded one's", [OWN, QWEN], {}, "qwen3:8b"],
  ["one that calls tools before one that only chats", [...OLLAMA, QWEN], {}, "qwen3:8b"],
  ["one that only chats before none", OLLAMA, {}, "old"],
  ["the preferred engine's", [OWN, QWEN, VLLM], { preferred: "vllm" }, "big"],
  ["the embedded engine's where that is preferred", [TINY, QWEN], { preferred: "embedded" }, "flock-tiny"],
  ["the one that is named, wherever it is", [OWN, QWEN, VLLM], { configured: "own", preferred: "vllm" }, "own"],
  ["the one that it was before, while it is served", [QWEN, OLLAMA[1] ?? QWEN], { last: "old" }, "old"],
  ["another when that one is gone", [QWEN], { last: "old" }, "qwen3:8b"],
  ["a real one in place of the smoke-test one", [TINY, QWEN], { last: "flock-tiny" }, "qwen3:8b"],
  ["the model of an engine that went away, not a smoke test", [TINY], { last: "q" }, "q", [down("ollama", ["q"])]],
  ["the preferred engine's even while it is down", [QWEN], { preferred: "vllm" }, "b", [down("vllm", ["b"])]],
];
for (const [name, replicas, wish, model, engines = []] of cases) {
  test(`the default is ${name}`, () => {
    const expected = engines.flatMap(({ models }) => models);
    expect(chooseDefaultModel({ replicas, engines, expected }, { ...AUTO, ...wish })).toBe(model);
  });
}

test("an adapter is never the default", () => {
  const adapter: Replica = { ...VLLM, model: "sql", parent: "big" };
  expect(chooseDefaultModel({ replicas: [adapter, VLLM], engines: [], expected: [] }, AUTO)).toBe("big");
});
