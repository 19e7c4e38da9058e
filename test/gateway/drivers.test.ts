import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { EngineWire } from "../../src/engine/driver.ts";
import { embeddedWire } from "../../src/engine/embedded/wire.ts";
import { llamaCppWire } from "../../src/engine/llama-cpp/wire.ts";
import { mlxWire } from "../../src/engine/mlx/wire.ts";
import { ollamaWire } from "../../src/engine/ollama/wire.ts";
import { vllmWire } from "../../src/engine/vllm/wire.ts";
import type { Flavor } from "../support/stand-in/flavor.ts";
import { embeddedFlavor, llamaCppFlavor, mlxFlavor, vllmFlavor } from "../support/stand-in/flavors.ts";
import { ollamaFlavor } from "../support/stand-in/ollama-flavor.ts";
import { type StandIn, startStandIn } from "../support/stand-in/start-stand-in.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";

// Each driver behind the real gateway, on every client API: text, a tool call, and an engine that breaks off. The engines
// are stand-ins.
const DRIVERS: readonly (readonly [EngineWire, Flavor])[] = [
  [embeddedWire, embeddedFlavor],
  [llamaCppWire, llamaCppFlavor],
  [ollamaWire, ollamaFlavor],
  [vllmWire, vllmFlavor],
  [mlxWire, mlxFlavor],
];
const PARAMETERS = { type: "object", properties: { city: { type: "string" } } };
const OPENAI_TOOL = { type: "function", function: { name: "weather", parameters: PARAMETERS } };
const ANTHROPIC_TOOL = { name: "weather", input_schema: PARAMETERS };
const CALLS = { toolCalls: [{ name: "weather", arguments: '{"city":"Bern"}' }] };
const MESSAGES = [{ role: "user", content: "hi" }];

for (const [wire, flavor] of DRIVERS) {
  describe(`${wire.kind} behind the gateway`, () => {
    let engine: StandIn;
    let gateway: TestGateway;
    beforeAll(async () => {
      engine = await startStandIn(flavor);
      gateway = startGateway({ engines: [engine], wire, replica: { engineModel: "engine-name" } });
    });
    afterAll(async () => {
      await gateway.stop();
      await engine.stop();
    });
    const post = async (path: string, body: object): Promise<string> => {
      const answer = await fetch(`${gateway.url}${path}`, {
        method: "POST",
        headers: { authorization: "Bearer any" },
        body: JSON.stringify({ model: "scripted", messages: MESSAGES, ...body }),
      });
      return await answer.text();
    };

    test("OpenAI chat, streamed and whole, answers under the name that was asked for", async () => {
      engine.script = { text: "one two", usage: { prompt: 5, completion: 2 } };
      const whole = JSON.parse(await post("/v1/chat/completions", {}));
      expect(whole).toMatchObject({ model: "scripted", choices: [{ message: { content: "one two" } }] });
      expect(whole.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 2 });
      const chunks = dataOf(await post("/v1/chat/completions", { stream: true }));
      expect(chunks.at(-1)).toBe("[DONE]");
      const parsed = chunks.slice(0, -1).map((text) => JSON.parse(text));
      expect(new Set(parsed.map(({ model }) => model))).toEqual(new Set(["scripted"]));
      expect(parsed.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe("one two");
      expect(gateway.records.at(-1)).toMatchObject({ promptTokens: 5, completionTokens: 2, outcome: "ok" });
    });

    test("OpenAI chat carries a tool call", async () => {
      engine.script = CALLS;
      const body = { tools: [OPENAI_TOOL] };
      const whole = JSON.parse(await post("/v1/chat/completions", body));
      expect(whole.choices[0]).toMatchObject({
        finish_reason: "tool_calls",
        message: { tool_calls: [{ type: "function", function: { name: "weather" } }] },
      });
      expect(JSON.parse(whole.choices[0].message.tool_calls[0].function.arguments)).toEqual({ city: "Bern" });
      const chunks = dataOf(await post("/v1/chat/completions", { ...body, stream: true })).slice(0, -1);
      const calls = chunks.flatMap((text) => JSON.parse(text).choices[0]?.delta.tool_calls ?? []);
      expect(calls[0]).toMatchObject({ index: 0, function: { name: "weather" } });
      const text = calls.map((call: { function?: { arguments?: string } }) => call.function?.arguments ?? "").join("");
      expect(JSON.parse(text)).toEqual({ city: "Bern" });
    });

    test("Anthropic messages carry a tool call", async () => {
      engine.script = CALLS;
      const body = { max_tokens: 50, tools: [ANTHROPIC_TOOL] };
      expect(JSON.parse(await post("/v1/messages", body))).toMatchObject({
        stop_reason: "tool_use",
        content: [{ type: "tool_use", name: "weather", input: { city: "Bern" } }],
      });
      const events = dataOf(await post("/v1/messages", { ...body, stream: true })).map((text) => JSON.parse(text));
      const json = events.map(({ delta }) => delta?.partial_json ?? "").join("");
      expect(JSON.parse(json)).toEqual({ city: "Bern" });
      expect(events.at(-1)).toEqual({ type: "message_stop" });
    });

    test("Ollama chat carries a tool call", async () => {
      engine.script = CALLS;
      const lines = (await post("/api/chat", { tools: [OPENAI_TOOL] })).trim().split("\n");
      const parsed = lines.map((text) => JSON.parse(text));
      const call = parsed.find(({ message }) => message.tool_calls)?.message.tool_calls[0];
      expect(call).toMatchObject({ function: { name: "weather", arguments: { city: "Bern" } } });
      expect(parsed.at(-1)).toMatchObject({ done: true, model: "scripted" });
    });

    test("texts become vectors, or are refused by name where the engine has none", async () => {
      const answer = await fetch(`${gateway.url}/v1/embeddings`, {
        method: "POST",
        headers: { authorization: "Bearer any" },
        body: JSON.stringify({ model: "scripted", input: ["a", "b"] }),
      });
      const body: unknown = await answer.json();
      if (flavor.embeddings === null) {
        expect(answer.status).toBe(400);
        expect(body).toMatchObject({ error: { code: "unsupported", message: expect.stringContaining("embeddings") } });
      } else {
        const vector = { object: "embedding", embedding: [0.6, 0.8] };
        expect(body).toMatchObject({ object: "list", model: "scripted", data: [vector, { ...vector, index: 1 }] });
      }
    });

    test("an engine that breaks off in mid-stream ends each API's stream with its own error", async () => {
      engine.script = { text: "one two three", fault: "cut", faultAfter: 2 };
      const openai = dataOf(await post("/v1/chat/completions", { stream: true }));
      expect(JSON.parse(openai.at(-1) ?? "")).toMatchObject({ error: { code: "engine_failed" } });
      const anthropic = await post("/v1/messages", { max_tokens: 50, stream: true });
      expect(anthropic).toContain("event: error");
      const ollama = (await post("/api/chat", {})).trim().split("\n");
      expect(JSON.parse(ollama.at(-1) ?? "")).toHaveProperty("error");
    });
  });
}

function dataOf(sse: string): string[] {
  return sse
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).trim());
}
