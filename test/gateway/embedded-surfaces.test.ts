import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { writeTinyModel } from "../../scripts/gguf/tiny-model.ts";
import { type Flock, startFlock, temporaryDirectory } from "../support/start-flock.ts";

// The real process with a real engine on a model of noise that can fill gaps: what the official packages read of it.

let dataDir: string;
let flock: Flock;
let openai: OpenAI;
let anthropic: Anthropic;
beforeAll(async () => {
  dataDir = temporaryDirectory();
  mkdirSync(join(dataDir, "models"));
  await writeTinyModel(join(dataDir, "models/noise.gguf"), { kind: "random", seed: 3 }, { infill: true });
  flock = await startFlock({ dataDir, env: { FLOCK_DEFAULT_MODEL: "noise", FLOCK_ENGINE_EMBEDDED_CONTEXT: "1024" } });
  openai = new OpenAI({ baseURL: `${flock.url}/v1`, apiKey: flock.adminKey, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: flock.url, apiKey: flock.adminKey, maxRetries: 0 });
}, 30_000);
afterAll(async () => {
  await flock.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const greedy = { model: "noise", temperature: 0, max_tokens: 6 } as const;
const json = async (path: string, body: unknown): Promise<Record<string, unknown>> =>
  (await (await flock.fetch(path, { method: "POST", body: JSON.stringify(body) })).json()) as Record<string, unknown>;

test("completions: texts, token numbers, several at once, streamed, with log probabilities", async () => {
  const one = await openai.completions.create({ ...greedy, prompt: "abc" });
  expect([one.object, one.choices[0]?.finish_reason, one.usage?.completion_tokens]).toEqual([
    "text_completion",
    "length",
    6,
  ]);
  const many = await openai.completions.create({ ...greedy, prompt: ["abc", "xyz"], n: 2, logprobs: 2 });
  expect(many.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  // Without chance, answers to one prompt are one answer.
  expect(many.choices.map(({ text }) => text).slice(0, 2)).toEqual([
    one.choices[0]?.text,
    one.choices[0]?.text,
  ] as string[]);
  expect(many.choices[3]?.logprobs?.tokens).toHaveLength(6);
  expect(Object.keys(many.choices[3]?.logprobs?.top_logprobs?.[0] ?? {})).toHaveLength(2);
  const numbers = await openai.completions.create({ ...greedy, prompt: [[70, 71, 72], [73]] });
  expect(numbers.choices).toHaveLength(2);
  let streamed = "";
  let tokens = 0;
  const stream = await openai.completions.create({
    ...greedy,
    prompt: "abc",
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    streamed += chunk.choices[0]?.text ?? "";
    tokens = chunk.usage?.completion_tokens ?? tokens;
  }
  expect([streamed, tokens]).toEqual([one.choices[0]?.text ?? "", 6]);
});

test("a gap is filled, over OpenAI's API and Ollama's", async () => {
  const filled = await openai.completions.create({ ...greedy, prompt: "def f(", suffix: "return 1" });
  expect(filled.usage?.prompt_tokens).toBe(1 + 3 + 6 + 8);
  const body = { model: "noise", prompt: "def f(", suffix: "return 1", stream: false };
  const ollama = await json("/api/generate", { ...body, options: { temperature: 0, num_predict: 6 } });
  expect(ollama).toMatchObject({ response: filled.choices[0]?.text, done_reason: "length", prompt_eval_count: 18 });
});

test("embeddings: floats and base64 are the same vectors, of texts and of token numbers", async () => {
  // The package asks for base64 and unpacks it, unless told otherwise.
  const packed = await openai.embeddings.create({ model: "noise", input: ["a", "b"] });
  const floats = await openai.embeddings.create({ model: "noise", input: ["a", "b"], encoding_format: "float" });
  expect(packed.data.map(({ embedding }) => embedding)).toEqual(
    floats.data.map(({ embedding }) => embedding.map(Math.fround)),
  );
  expect(Math.hypot(...(packed.data[0]?.embedding ?? []))).toBeCloseTo(1, 4);
  const numbers = await openai.embeddings.create({ model: "noise", input: [[70, 71], [72]] });
  expect(numbers.data).toHaveLength(2);
  const embedded = await json("/api/embed", { model: "noise", input: "a" });
  expect((embedded["embeddings"] as number[][])[0]?.map(Math.fround)).toEqual(packed.data[0]?.embedding ?? []);
  const short = { model: "noise", input: "a", dimensions: 8 };
  expect(await json("/v1/embeddings", short)).toMatchObject({ error: { param: "dimensions", code: null } });
});

test("models have the context that the engine really has, in each API's words", async () => {
  const model = await openai.models.retrieve("noise");
  expect(model).toMatchObject({ id: "noise", context_length: 1024, max_model_len: 1024, owned_by: "flock" });
  const [listed] = (await anthropic.models.list()).data;
  expect(listed).toMatchObject({ id: "noise", type: "model", max_input_tokens: 1024 });
  const shown = await json("/api/show", { model: "noise:latest" });
  expect(shown).toMatchObject({ details: { context_length: 1024 }, template: expect.stringContaining(".Suffix") });
  expect(shown["capabilities"]).toContain("insert");
});

test("the prompt is counted as it is then evaluated, system and tools included", async () => {
  const tools = [
    { name: "get_time", description: "Tells the time.", input_schema: { type: "object" as const, properties: {} } },
  ];
  const asked = { model: "noise", system: "Be brief.", messages: [{ role: "user" as const, content: "hi" }], tools };
  const { input_tokens } = await anthropic.messages.countTokens(asked);
  const { usage } = await anthropic.messages.create({ ...asked, max_tokens: 1 });
  expect(usage.input_tokens + (usage.cache_read_input_tokens ?? 0)).toBe(input_tokens);
});

test("any version and any beta are taken, and a message thread is refused so that the package sends the whole history", async () => {
  const body = JSON.stringify({ model: "noise", max_tokens: 1, messages: [{ role: "user", content: "hi" }] });
  for (const version of ["2023-06-01", "2026-10-21", "2099-01-01", ""]) {
    const headers = {
      ...(version === "" ? {} : { "anthropic-version": version }),
      "anthropic-beta": "anything-2030-01-01",
    };
    const answer = await flock.fetch("/v1/messages?beta=true", { method: "POST", headers, body });
    expect([version, answer.status]).toEqual([version, 200]);
  }
  const thread = await json("/v1/messages", { ...(JSON.parse(body) as object), thread: { type: "create" } });
  expect(thread).toMatchObject({
    type: "error",
    error: { type: "invalid_request_error", details: { error_code: "thread_unsupported_request", unsupported: [] } },
  });
});

test("what is changed of a request is said", async () => {
  const messages = [{ role: "user", content: "hi" }];
  const fitted = await flock.fetch("/v1/messages", {
    method: "POST",
    body: JSON.stringify({ model: "claude-sonnet-5", max_tokens: 32_000, messages }),
  });
  expect([fitted.status, fitted.headers.get("x-flock-adjusted")]).toEqual([200, expect.stringContaining("max_tokens")]);
  const unknown = await flock.fetch("/v1/completions", {
    method: "POST",
    body: JSON.stringify({ ...greedy, prompt: "a", made_up: 1 }),
  });
  expect(unknown.headers.get("x-flock-adjusted")).toBe("ignored made_up");
});
