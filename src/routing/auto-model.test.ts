import { expect, test } from "bun:test";
import fc from "fast-check";
import { AliasTable } from "./alias-table.ts";
import { autoModel } from "./auto-model.ts";
import { replicaOf } from "./fixtures/router-rig.ts";
import { ModelSources } from "./model-sources.ts";
import { resolveModel, type Wants } from "./resolve-model.ts";

const abilities = replicaOf("x").abilities;
const plain = replicaOf("plain", { model: "plain", contextTokens: 8_000 });
const seer = replicaOf("seer", { model: "seer", contextTokens: 8_000, abilities: { ...abilities, images: true } });
const tooled = replicaOf("tooled", {
  model: "tooled",
  contextTokens: 64_000,
  abilities: { ...abilities, tools: true },
});
const wants = (tools: boolean, images: boolean, promptTokens = 100): Wants => ({
  tools: () => tools,
  images: () => images,
  promptTokens: () => promptTokens,
});
const snapshot = (defaultModel: string, sources?: ModelSources) => ({
  replicas: [plain, seer, tooled],
  expected: [],
  aliases: new AliasTable([]),
  defaultModel,
  ...(sources ? { sources } : {}),
});

test("auto takes the default model unless it lacks what the request needs and another has it", () => {
  expect(autoModel(snapshot("plain"), wants(false, false)).model).toBe("plain");
  expect(autoModel(snapshot("plain"), wants(true, false))).toEqual({ model: "tooled", reason: "plain lacks tools" });
  expect(autoModel(snapshot("plain"), wants(false, true)).model).toBe("seer");
  expect(autoModel(snapshot("plain"), wants(false, false, 20_000)).reason).toBe("plain lacks the context");
  expect(autoModel(snapshot("plain"), wants(true, true)).model).toBe("plain");
});

test("whatever auto chooses is served, and is the default or has all that was asked for", () => {
  const replicas = fc.array(
    fc.record({
      model: fc.constantFrom("a", "b", "c"),
      tools: fc.boolean(),
      images: fc.boolean(),
      context: fc.nat(9_000),
    }),
    { minLength: 1, maxLength: 8 },
  );
  fc.assert(
    fc.property(replicas, fc.boolean(), fc.boolean(), fc.nat(9_000), (rows, tools, images, tokens) => {
      const all = rows.map(({ model, context, ...can }, at) =>
        replicaOf(String(at), { model, contextTokens: context, abilities: { ...abilities, ...can } }),
      );
      const defaultModel = all[0]?.model ?? "";
      const chosen = autoModel({ ...snapshot(defaultModel), replicas: all }, wants(tools, images, tokens));
      const able = all.some(
        ({ model, abilities: can, contextTokens }) =>
          model === chosen.model && (can.tools || !tools) && (can.images || !images) && contextTokens >= tokens,
      );
      expect(able || chosen.model === defaultModel).toBe(true);
    }),
  );
});

test("names with their source lead to the loaded model, or to the command that adds it", () => {
  const sources = new ModelSources([
    { id: "plain", names: ["plain-old", "hf:Owner/Plain-8B", "ollama:plain:8b"] },
    { id: "absent", names: ["hf:Owner/Absent", "hf:Owner/Absent-GGUF/absent-Q4_K_M.gguf"] },
  ]);
  const resolve = (name: string) => resolveModel(name, { chat: true, embeddings: false }, snapshot("seer", sources));
  const lead: [string, string][] = [
    ["hf:owner/plain-8b", "plain"],
    ["ollama:plain:8b", "plain"],
    ["plain-old", "plain"],
    ["file:/somewhere/else/Tooled.gguf", "tooled"],
    ["file:tooled-00001-of-00003.gguf", "tooled"],
    ["hf:any/Seer-GGUF", "seer"],
    ["hf:any/Seer-GGUF:Q4_K_M", "seer"],
    ["hf:any/repository:seer.gguf", "seer"],
    ["ollama:seer", "seer"],
  ];
  for (const [name, model] of lead) expect(resolve(name)).toMatchObject({ ok: true, value: { model } });
  expect(resolve("hf:Owner/Absent")).toMatchObject({ ok: false, error: { add: "flock model add hf:Owner/Absent" } });
  expect(resolve("absent")).toMatchObject({ ok: false, error: { add: "flock model add absent" } });
  expect(resolve("hf:new/model")).toMatchObject({ ok: false, error: { add: "flock model add hf:new/model" } });
  expect(resolve("hf:$(reboot)")).not.toHaveProperty("error.add");
  expect(resolve("nothing-of-the-kind")).not.toHaveProperty("error.add");
});
