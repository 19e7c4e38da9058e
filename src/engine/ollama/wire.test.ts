import { expect, test } from "bun:test";
import { able, testReplica } from "../../core/test-replica.ts";
import type { ChatRequest } from "../../core/chat-request.ts";
import type { Replica } from "../../core/replica.ts";
import type { EngineCall } from "../driver.ts";
import { ollamaWire } from "./wire.ts";

const REPLICA = testReplica({
  engine: "ollama",
  model: "qwen3",
  engineModel: "qwen3:latest",
  contextTokens: 16_384,
  slots: 1,
  abilities: able("chat", "embeddings", "tools", "images", "thinking"),
});
const REQUEST: ChatRequest = {
  model: "qwen3",
  messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
  stream: true,
  includeUsage: true,
  stop: [],
  sampling: {},
  tools: [],
  output: { kind: "text" },
};
const TOOL = { name: "weather", description: "Says it.", parameters: { type: "object", properties: {} } };

function plan(request: Partial<ChatRequest> = {}, replica: Partial<Replica> = {}): EngineCall {
  const call = ollamaWire.plan({ ...REQUEST, ...request }, { ...REPLICA, ...replica }, "t");
  if (!call.ok) throw new Error(JSON.stringify(call.error));
  return call.value;
}
const bodyOf = (call: EngineCall): Record<string, unknown> => JSON.parse(call.body) as Record<string, unknown>;

test("every request has the model's one context, and is never cut or shifted", () => {
  for (const request of [{}, { sampling: { temperature: 0.5 } }, { tools: [TOOL] }]) {
    const body = bodyOf(plan(request));
    expect(body).toMatchObject({ model: "qwen3:latest", truncate: false, shift: false, options: { num_ctx: 16_384 } });
    expect(body).not.toHaveProperty("keep_alive");
  }
  expect(bodyOf(plan({}, { keepAlive: "30m" }))).toMatchObject({ keep_alive: "30m" });
});

const sent: [string, Partial<ChatRequest>, object][] = [
  ["limits and sampling as options", { maxOutputTokens: 9, stop: ["x"] }, { options: { num_predict: 9, stop: ["x"] } }],
  ["thinking by level", { thinking: { enabled: true, effort: "high" } }, { think: "high" }],
  ["JSON as a format", { output: { kind: "json" } }, { format: "json" }],
  [
    "a schema as a format",
    { output: { kind: "json_schema", name: "x", schema: { type: "object" } } },
    { format: { type: "object" } },
  ],
  ["log probabilities", { logprobs: { top: 3 } }, { logprobs: true, top_logprobs: 3 }],
  ["tools", { tools: [TOOL] }, { tools: [{ type: "function", function: { name: "weather" } }] }],
];
for (const [name, request, body] of sent) {
  test(`sends ${name}`, () => {
    expect(bodyOf(plan(request))).toMatchObject(body);
  });
}

test("a model that cannot think is not asked to, which is said", () => {
  const abilities = { ...REPLICA.abilities, thinking: false };
  const call = plan({ thinking: { enabled: true } }, { abilities });
  expect(bodyOf(call)).not.toHaveProperty("think");
  expect(call.adjusted).toEqual(["thinking ignored"]);
});

test("a forced call is a schema to Ollama, and a call again to the client", () => {
  const call = plan({ tools: [TOOL], toolChoice: { kind: "tool", name: "weather" } });
  expect(bodyOf(call)).toMatchObject({ format: TOOL.parameters });
  expect(call.adjusted).toEqual(["tool_choice as a JSON schema"]);
  const line = {
    model: "qwen3:latest",
    message: { role: "assistant", content: '{"a":1}' },
    done: true,
    done_reason: "stop",
  };
  const events = call.reader?.readAnswer(JSON.stringify(line)) ?? [];
  expect(events).toMatchObject([
    { type: "start" },
    { type: "tool_call", index: 0, name: "weather" },
    { type: "tool_arguments", json: '{"a":1}' },
    { type: "done", reason: "tool_calls" },
  ]);
});

test("a forced call among several tools is refused by name", () => {
  const choice = { tools: [TOOL, { ...TOOL, name: "other" }], toolChoice: { kind: "required" } } as const;
  const call = ollamaWire.plan({ ...REQUEST, ...choice }, REPLICA, "t");
  expect(call).toMatchObject({ ok: false, error: { kind: "unsupported", capability: "tool_choice" } });
});

const overflow = "request (20000 tokens) exceeds the available context size (16384 tokens), try increasing it";
const errors: [string, string, object][] = [
  ["a prompt that does not fit", overflow, { kind: "context_exceeded", promptTokens: 20_000, contextTokens: 16_384 }],
  [
    "a missing binary",
    "llama-server binary not found",
    { kind: "engine_failed", mend: expect.stringContaining("brew") },
  ],
  ["a crash", "model runner has unexpectedly stopped", { kind: "engine_failed", engine: "ollama" }],
];
for (const [name, text, failure] of errors) {
  test(`an error line inside a 200 is read as what it means: ${name}`, () => {
    const decoder = plan().reader?.decode();
    const events = decoder?.push(new TextEncoder().encode(`${JSON.stringify({ error: text })}\n`)) ?? [];
    expect([...events, ...(decoder?.end() ?? [])]).toMatchObject([{ type: "failed", failure }]);
  });
}

test("completions and gaps go to /api/generate, with the same context", () => {
  const request = { model: "qwen3", stream: true, includeUsage: true, stop: [], sampling: {} };
  const lone = ollamaWire.completions?.plan({ ...request, prompt: "a" }, {}, REPLICA, "t");
  expect(lone?.ok && bodyOf(lone.value)).toMatchObject({ raw: true, options: { num_ctx: 16_384 }, truncate: false });
  const gap = ollamaWire.completions?.plan({ ...request, prompt: "a", suffix: "z" }, {}, REPLICA, "t");
  expect(gap).toMatchObject({ ok: true, value: { path: "/api/generate" } });
  expect(gap?.ok && bodyOf(gap.value)).toMatchObject({ suffix: "z" });
  const strange = ollamaWire.completions?.plan({ ...request, prompt: "a" }, { best_of: 2 }, REPLICA, "t");
  expect(strange).toMatchObject({ ok: false, error: { kind: "unsupported", capability: "best_of" } });
});

test("texts to embed are never cut, and lists of token numbers are refused by name", () => {
  const call = ollamaWire.embeddings?.plan({ model: "m", inputs: ["a"], dimensions: 8 }, REPLICA);
  expect(call?.ok && bodyOf(call.value)).toEqual({
    model: "qwen3:latest",
    input: ["a"],
    truncate: false,
    dimensions: 8,
    options: { num_ctx: 16_384 },
  });
  const numbers = ollamaWire.embeddings?.plan({ model: "m", inputs: [[1, 2]] }, REPLICA);
  expect(numbers).toMatchObject({ ok: false, error: { kind: "unsupported", capability: "token arrays" } });
});
