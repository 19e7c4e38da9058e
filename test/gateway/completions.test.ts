import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import OpenAI from "openai";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";

let engine: ScriptedEngine;
let gateway: TestGateway;
beforeAll(async () => {
  engine = await startScriptedEngine();
  gateway = startGateway({ engines: [engine], keys: { free: {}, poor: { limits: POOR } } });
});
beforeEach(() => {
  engine.script = { text: "one two", usage: { prompt: 5, completion: 2 } };
});
afterAll(async () => {
  await gateway.stop();
  await engine.stop();
});

const POOR = { dailyTokens: 60, requestsPerMinute: 0, tokensPerMinute: 0, concurrency: 0 };
const post = (path: string, body: unknown, key = "free"): Promise<Response> =>
  fetch(`${gateway.url}${path}`, { method: "POST", headers: { "x-api-key": key }, body: JSON.stringify(body) });
const openai = (): OpenAI => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: "free", maxRetries: 0 });

test("the openai package's completion, with every prompt and every answer to it", async () => {
  const completion = await openai().completions.create({ model: "my-alias", prompt: ["a", "b"], n: 2, seed: 1 });
  expect(completion.model).toBe("my-alias");
  expect(completion.choices.map(({ index, text }) => [index, text])).toEqual([0, 1, 2, 3].map((at) => [at, "one two"]));
  expect(completion.usage).toMatchObject({ prompt_tokens: 20, completion_tokens: 8, total_tokens: 28 });
  expect(engine.requests.slice(-4).map(({ body }) => [body.prompt, body.seed, body.model])).toEqual([
    ["a", 1, "scripted"],
    ["a", 2, "scripted"],
    ["b", 1, "scripted"],
    ["b", 2, "scripted"],
  ]);
  expect(gateway.records.at(-1)).toMatchObject({ promptTokens: 20, completionTokens: 8, outcome: "ok", attempts: 4 });
});

test("choices of a stream come one after the other, with one count at the end", async () => {
  const body = { model: "scripted", prompt: ["a", "b"], stream: true, stream_options: { include_usage: true } };
  const text = { 0: "", 1: "" } as Record<number, string>;
  const reasons: unknown[] = [];
  let usage: OpenAI.CompletionUsage | null | undefined;
  for await (const chunk of await openai().completions.create(body as OpenAI.CompletionCreateParamsStreaming)) {
    const [choice] = chunk.choices;
    if (choice) text[choice.index] += choice.text;
    if (choice?.finish_reason) reasons.push([choice.index, choice.finish_reason]);
    usage = chunk.usage ?? usage;
  }
  expect(text).toEqual({ 0: "one two", 1: "one two" });
  expect(reasons).toEqual([
    [0, "stop"],
    [1, "stop"],
  ]);
  expect(usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 4 });
  expect(gateway.records.at(-1)).toMatchObject({ promptTokens: 10, completionTokens: 4 });
});

test("an echoed prompt begins the choice", async () => {
  const completion = await openai().completions.create({ model: "scripted", prompt: "zero ", echo: true });
  expect(completion.choices[0]?.text).toBe("zero one two");
});

test("a gap is filled by the engine's own call", async () => {
  const completion = await openai().completions.create({ model: "scripted", prompt: "f(", suffix: ")", max_tokens: 9 });
  expect(completion.choices[0]).toMatchObject({ text: "one two", finish_reason: "stop" });
  expect(completion.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 2 });
  expect(engine.requests.at(-1)).toMatchObject({
    path: "/infill",
    body: { input_prefix: "f(", input_suffix: ")", max_tokens: 9, stream: true },
  });
  const tokens = await post("/v1/completions", { model: "scripted", prompt: [1, 2], suffix: ")" });
  expect([tokens.status, await tokens.json()]).toMatchObject([400, { error: { code: "unsupported" } }]);
});

test("Ollama's clients fill gaps and go on with raw prompts", async () => {
  const body = { model: "scripted", prompt: "f(", stream: false, options: { num_ctx: 9 } };
  const filled = await post("/api/generate", { ...body, suffix: ")" });
  expect(await filled.json()).toMatchObject({ response: "one two", done: true, prompt_eval_count: 5, eval_count: 2 });
  expect(filled.headers.get("x-flock-adjusted")).toContain("options.num_ctx");
  expect(engine.requests.at(-1)?.path).toBe("/infill");
  const raw = await post("/api/generate", { ...body, raw: true, stream: true });
  const lines = (await raw.text()).trim().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { response: string }).response).join("")).toBe("one two");
  expect(engine.requests.at(-1)).toMatchObject({ path: "/v1/completions", body: { prompt: "f(" } });
});

test("a field that nobody here knows reaches the engine", async () => {
  await post("/v1/completions", { model: "scripted", prompt: "a", repeat_penalty: 1.1, logit_bias: { "1": 2 } });
  expect(engine.requests.at(-1)?.body).toMatchObject({ repeat_penalty: 1.1, logit_bias: { "1": 2 } });
});

test("an engine that breaks off is an error, before the first content and after it", async () => {
  engine.script = { text: "one two", fault: "cut", faultAfter: 1 };
  const whole = await post("/v1/completions", { model: "scripted", prompt: ["a", "b"] });
  expect([whole.status, await whole.json()]).toMatchObject([502, { error: { code: "engine_failed" } }]);
  const streamed = await post("/v1/completions", { model: "scripted", prompt: "a", stream: true });
  const text = await streamed.text();
  expect([text.includes("one"), text.includes("engine_failed"), text.includes("[DONE]")]).toEqual([true, true, false]);
  expect(gateway.records.at(-1)).toMatchObject({ outcome: "error", errorKind: "engine_failed" });
  engine.script = { status: 400, body: JSON.stringify({ error: { message: "no", type: "invalid_request_error" } }) };
  expect((await post("/v1/completions", { model: "scripted", prompt: "a", stream: true })).status).toBe(400);
});

test("a client that hangs up frees the engine, and what it got is accounted", async () => {
  engine.script = { text: "word ".repeat(500), tokenDelayMs: 20 };
  const abort = new AbortController();
  const body = JSON.stringify({ model: "scripted", prompt: ["a", "b"], stream: true });
  const answer = await fetch(`${gateway.url}/v1/completions`, {
    method: "POST",
    headers: { "x-api-key": "free" },
    body,
    signal: abort.signal,
  });
  await answer.body?.getReader().read();
  abort.abort();
  await engine.requests.at(-1)?.aborted;
  expect(engine.requests.at(-1)?.body.prompt).toBe("a");
});

test("a quota ends the answer in time, and what cannot fit is refused", async () => {
  engine.script = { text: "word ".repeat(500), tokenDelayMs: 1, usage: { prompt: 1, completion: 500 } };
  const answer = await post("/v1/completions", { model: "scripted", prompt: "a" }, "poor");
  const completion = (await answer.json()) as { choices: { finish_reason: string; text: string }[] };
  expect(completion.choices[0]?.finish_reason).toBe("length");
  expect(completion.choices[0]?.text.split(" ").length).toBeLessThan(62);
  const second = await post("/v1/completions", { model: "scripted", prompt: "a".repeat(100) }, "poor");
  expect(second.status).toBe(429);
});
