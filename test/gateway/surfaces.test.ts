import { afterAll, beforeAll, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { llamaCppWire } from "../../src/engine/llama-cpp/wire.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { orderProblems } from "../support/stream-order.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";

let engine: ScriptedEngine;
let gateway: TestGateway;
beforeAll(async () => {
  engine = await startScriptedEngine();
  engine.script = { text: "ok", usage: { prompt: 17, completion: 1 } };
  gateway = startGateway({ engines: [engine] });
});
afterAll(async () => {
  await gateway.stop();
  await engine.stop();
});

const messages = [{ role: "user", content: "hi" }];
const post = (path: string, body: unknown): Promise<Response> =>
  fetch(`${gateway.url}${path}`, { method: "POST", headers: { "x-api-key": "any" }, body: JSON.stringify(body) });

test("a base URL typed with one /v1 too many or too few still works", async () => {
  for (const prefix of ["/v1", "/v1/v1", ""]) {
    const body = { model: "scripted", max_tokens: 5, messages };
    for (const path of ["/chat/completions", "/messages", "/messages/count_tokens"]) {
      expect([prefix, path, (await post(`${prefix}${path}`, body)).status]).toEqual([prefix, path, 200]);
    }
    expect((await post(`${prefix}/embeddings`, { model: "scripted", input: "x" })).status).toBe(200);
    const models = await fetch(`${gateway.url}${prefix}/models`, { headers: { "x-api-key": "any" } });
    expect(((await models.json()) as { data: { id: string }[] }).data.map(({ id }) => id)).toContain("scripted");
    expect((await fetch(`${gateway.url}${prefix}/models/scripted`, { headers: { "x-api-key": "any" } })).status).toBe(
      200,
    );
  }
});

test("an embedding's model is the name that was asked for", async () => {
  const answer = (await (await post("/v1/embeddings", { model: "my-alias", input: "x" })).json()) as { model: string };
  expect(answer.model).toBe("my-alias");
  expect(engine.requests.at(-1)?.body.model).toBe("scripted");
});

test("count_tokens is the engine's own count, in bursts, without a usage row", async () => {
  const rows = gateway.records.length;
  const tools = [{ name: "get_time", input_schema: { type: "object", properties: {} } }];
  const bodies = [
    { model: "claude-sonnet-5", messages },
    { model: "scripted", messages, tools: [] },
    { model: "scripted", messages, system: "Be brief.", tools },
  ];
  const burst = Array.from({ length: 25 }, (_, at) => post("/v1/messages/count_tokens", bodies[at % bodies.length]));
  for (const answer of await Promise.all(burst)) {
    expect(answer.status).toBe(200);
    expect(answer.headers.has("x-flock-count")).toBe(false);
    expect(await answer.json()).toEqual({ input_tokens: 17 });
  }
  expect(gateway.records.length).toBe(rows);
});

test("where no engine counts, the count is an estimate and says so; neither takes a slot", async () => {
  const uncounted = startGateway({
    engines: [engine],
    wire: { ...llamaCppWire, countPath: null },
    replica: { slots: 1 },
  });
  const asked = engine.requests.length;
  try {
    const body = JSON.stringify({
      model: "scripted",
      max_tokens: 5,
      system: "word ".repeat(100),
      messages,
      tools: [{ name: "get_time", description: "word ".repeat(50), input_schema: { type: "object", properties: {} } }],
    });
    const count = (path: string): Promise<Response> => fetch(`${uncounted.url}${path}`, { method: "POST", body });
    const burst = await Promise.all(Array.from({ length: 25 }, () => count("/v1/messages/count_tokens")));
    for (const answer of burst) {
      expect(answer.headers.get("x-flock-count")).toBe("estimate");
      const { input_tokens } = (await answer.json()) as { input_tokens: number };
      expect([input_tokens > 200, input_tokens < 300]).toEqual([true, true]);
    }
    const counted = await post("/v1/responses/input_tokens", { model: "scripted", input: "hi" });
    expect(await counted.json()).toEqual({ object: "response.input_tokens", input_tokens: 17 });
    expect([engine.requests.length, uncounted.records.length]).toEqual([asked, 0]);
  } finally {
    await uncounted.stop();
  }
});

test("the openai package's Responses stream and its continued conversation", async () => {
  const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: "any", maxRetries: 0 });
  const stream = openai.responses.stream({ model: "scripted", input: "hi", instructions: "Be brief." });
  const kinds = new Set<string>();
  for await (const event of stream) kinds.add(event.type);
  const first = await stream.finalResponse();
  expect(first.output_text).toBe("ok");
  expect(first.status).toBe("completed");
  for (const kind of ["response.created", "response.output_item.done", "response.completed"])
    expect(kinds).toContain(kind);

  const second = await openai.responses.create({
    model: "scripted",
    input: "and now?",
    previous_response_id: first.id,
  });
  expect(second.output_text).toBe("ok");
  const sent = engine.requests.at(-1)?.body as { messages: { role: string; content: unknown }[] };
  expect(sent.messages.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
  expect(sent.messages[1]?.content).toBe("ok");
  const unknown = await post("/v1/responses", { model: "scripted", input: "x", previous_response_id: "resp_unknown" });
  expect(unknown.status).toBe(400);
  expect(await unknown.text()).toContain("resp_unknown");
});

test("a WebSocket upgrade of the Responses API is sent to HTTP with one answer", async () => {
  const headers = {
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-key": "x",
    "sec-websocket-version": "13",
  };
  expect((await fetch(`${gateway.url}/v1/responses`, { headers })).status).toBe(426);
});

test("Ollama's chat streams lines by default, and answers in one piece when asked", async () => {
  const lines = (await (await post("/api/chat", { model: "scripted", messages })).text()).trim().split("\n");
  const parsed = lines.map(
    (line) => JSON.parse(line) as { message: { content: string }; done: boolean; eval_count?: number },
  );
  expect(parsed.map(({ message }) => message.content).join("")).toBe("ok");
  expect(parsed.at(-1)).toMatchObject({ done: true, done_reason: "stop", prompt_eval_count: 17, eval_count: 1 });
  const whole = await (await post("/api/chat", { model: "scripted", messages, stream: false })).json();
  expect(whole).toMatchObject({ model: "scripted", message: { role: "assistant", content: "ok" }, done: true });
  const generated = await (await post("/api/generate", { model: "scripted", prompt: "hi", stream: false })).json();
  expect(generated).toMatchObject({ response: "ok", done: true });
  const refused = await post("/api/chat", { model: "nope", messages });
  expect([refused.status, await refused.json()]).toMatchObject([404, { error: expect.stringContaining("nope") }]);
});

test("Ollama's listings name what is served", async () => {
  const get = async (path: string) =>
    (await fetch(`${gateway.url}${path}`, { headers: { "x-api-key": "any" } })).json();
  expect(await get("/api/version")).toEqual({ version: expect.any(String) });
  expect(await get("/api/tags")).toMatchObject({
    models: [{ name: "scripted", capabilities: expect.any(Array) }, { name: "my-alias" }],
  });
  expect(await get("/api/ps")).toMatchObject({ models: [{ name: "scripted", context_length: 8192 }, {}] });
  const shown = await post("/api/show", { model: "scripted:latest" });
  expect(await shown.json()).toMatchObject({ details: expect.any(Object), model_info: expect.any(Object) });
  expect((await post("/api/show", { model: "nope" })).status).toBe(404);
});

test("a bad count_tokens request is refused in Anthropic's shape", async () => {
  const answer = await post("/v1/messages/count_tokens", { model: "scripted", messages: "hi" });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ type: "error", error: { type: "invalid_request_error" } });
});

test("a Responses body sent to the chat endpoint is understood, and answered in chunks", async () => {
  const input = [{ type: "message", role: "user", content: [{ type: "input_text", text: "hi" }] }];
  const tools = [{ type: "function", name: "get_time", parameters: { type: "object", properties: {} } }];
  const answer = await post("/v1/chat/completions", {
    model: "scripted",
    instructions: "Be brief.",
    input,
    tools,
    stream: true,
  });
  expect(answer.headers.get("x-flock-adjusted")).toStartWith("input read as Responses");
  expect(orderProblems("chat", await answer.text())).toEqual([]);
  const sent = engine.requests.at(-1)?.body as { messages: unknown[]; tools: { function: { name: string } }[] };
  expect(sent.messages).toEqual([
    { role: "system", content: "Be brief." },
    { role: "user", content: "hi" },
  ]);
  expect(sent.tools.map((tool) => tool.function.name)).toEqual(["get_time"]);
});

test("what an engine is not told of is named", async () => {
  const server = { type: "web_search_20250305", name: "web_search" };
  const vendors = { context_management: { edits: [] }, container: null, tools: [server], cache_control: {}, "x y": 1 };
  const answer = await post("/v1/messages", { model: "scripted", max_tokens: 5, messages, ...vendors });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("x-flock-adjusted")).toBe(
    "ignored context_management; ignored x_y; ignored tools.web_search_20250305",
  );
});

test("the anthropic package's tool runner, refused a thread, goes on with the whole history", async () => {
  const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: "any", maxRetries: 0 });
  const before = engine.requests.length;
  engine.script = (body) =>
    JSON.stringify(body.messages).includes("sunny")
      ? { text: "It is sunny." }
      : { toolCalls: [{ name: "weather", arguments: '{"city":"Rome"}' }] };
  const weather = {
    type: "custom" as const,
    name: "weather",
    input_schema: { type: "object" as const, properties: { city: { type: "string" } } },
    parse: (input: unknown) => input,
    run: () => "sunny",
  };
  const runner = anthropic.beta.messages.toolRunner({
    model: "scripted",
    max_tokens: 64,
    messages: [{ role: "user", content: "How is the weather in Rome?" }],
    tools: [weather],
  });
  const message = await runner.runUntilDone();
  engine.script = { text: "ok", usage: { prompt: 17, completion: 1 } };
  expect(message.content).toMatchObject([{ type: "text", text: "It is sunny." }]);
  const sent = engine.requests
    .slice(before)
    .map(({ body }) => (body.messages as { role: string }[]).map(({ role }) => role));
  expect(sent).toEqual([["user"], ["user", "assistant", "tool"]]);
});
