import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { type Flock, poll, startFlock } from "../support/start-flock.ts";

/** What the bundled model always says; its last word is how a test knows that the whole answer came. */
const SENTENCE = /^Hello from flock-tiny.*it can say\.$/;

let flock: Flock;
let openai: OpenAI;
let anthropic: Anthropic;
beforeAll(async () => {
  flock = await startFlock();
  openai = new OpenAI({ baseURL: `${flock.url}/v1`, apiKey: flock.adminKey, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: flock.url, apiKey: flock.adminKey, maxRetries: 0 });
});
afterAll(() => flock.stop());

/** What a call fails with: the packages' own promises are no native ones, which `rejects` does not understand. */
function rejection(call: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(call).then(
    () => null,
    (error: unknown) => error,
  );
}

const ask = [{ role: "user" as const, content: "hi in 5 words" }];

describe("the openai package", () => {
  test("gets a whole answer with its usage", async () => {
    const answer = await openai.chat.completions.create({ model: "auto", messages: ask });
    expect(answer.choices[0]?.message.content).toMatch(SENTENCE);
    expect(answer.choices[0]?.finish_reason).toBe("stop");
    expect(answer.model).toBe("auto");
    expect(answer.usage?.prompt_tokens).toBeGreaterThan(5);
    expect(answer.usage?.completion_tokens).toBeGreaterThan(5);
  });

  test("gets a stream without a usage chunk unless it asks for one", async () => {
    let text = "";
    let usageChunks = 0;
    const chunks = await openai.chat.completions.create({ model: "flock-tiny", messages: ask, stream: true });
    for await (const chunk of chunks) {
      text += chunk.choices[0]?.delta.content ?? "";
      usageChunks += chunk.usage ? 1 : 0;
      expect(chunk.choices).toHaveLength(1);
    }
    expect(text).toMatch(SENTENCE);
    expect(usageChunks).toBe(0);

    const asked = await openai.chat.completions.create({
      model: "flock-tiny",
      messages: ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    let last: OpenAI.ChatCompletionChunk | undefined;
    for await (const chunk of asked) last = chunk;
    expect(last?.choices).toEqual([]);
    expect(last?.usage?.completion_tokens).toBeGreaterThan(5);
  });

  test("gets embeddings, which it asks for as base64 by default", async () => {
    const input = ["one text", "another"];
    const packed = await openai.embeddings.create({ model: "auto", input });
    const plain = await openai.embeddings.create({ model: "auto", input, encoding_format: "float" });
    expect(packed.data).toHaveLength(2);
    expect(packed.data[0]?.embedding.length).toBeGreaterThan(16);
    const [a = [], b = []] = [packed.data[1]?.embedding, plain.data[1]?.embedding];
    expect(a.length).toBe(b.length);
    for (const [at, value] of a.entries()) expect(value).toBeCloseTo(b[at] ?? Number.NaN, 5);
    expect(packed.usage.prompt_tokens).toBeGreaterThan(2);
  });

  test("lists the models and finds one by id", async () => {
    const ids: string[] = [];
    for await (const model of openai.models.list()) ids.push(model.id);
    expect(ids).toEqual(["flock-tiny"]);
    expect((await openai.models.retrieve("flock-tiny")).id).toBe("flock-tiny");
    expect(await rejection(openai.models.retrieve("meta/unknown:7b"))).toBeInstanceOf(OpenAI.NotFoundError);
  });

  test("hears of a wrong key, an unknown model and a bad field in its own error classes", async () => {
    const stranger = new OpenAI({ baseURL: `${flock.url}/v1`, apiKey: "sk-orc-wrong", maxRetries: 0 });
    const refused = stranger.chat.completions.create({ model: "auto", messages: ask });
    expect(await rejection(refused)).toBeInstanceOf(OpenAI.AuthenticationError);
    const unknown = await rejection(openai.chat.completions.create({ model: "flock-tny", messages: ask }));
    expect(unknown).toBeInstanceOf(OpenAI.NotFoundError);
    expect(String(unknown)).toContain('"flock-tiny"');
    const empty = openai.chat.completions.create({ model: "auto", messages: [] });
    expect(await rejection(empty)).toBeInstanceOf(OpenAI.BadRequestError);
  });
});

describe("the anthropic package", () => {
  test("gets a whole message for a Claude name, served by the default model", async () => {
    const message = await anthropic.messages.create({ model: "claude-sonnet-4-5", max_tokens: 100, messages: ask });
    expect(message.content).toHaveLength(1);
    expect(message.content[0]).toMatchObject({ type: "text", text: expect.stringMatching(SENTENCE) });
    expect(message.stop_reason).toBe("end_turn");
    expect(message.model).toBe("claude-sonnet-4-5");
    expect(message.usage.input_tokens + (message.usage.cache_read_input_tokens ?? 0)).toBeGreaterThan(5);
  });

  test("gets a stream that its own accumulator accepts", async () => {
    const stream = anthropic.messages.stream({ model: "auto", max_tokens: 100, system: "Be brief.", messages: ask });
    let deltas = 0;
    stream.on("text", () => {
      deltas += 1;
    });
    const message = await stream.finalMessage();
    expect(message.content[0]).toMatchObject({ type: "text", text: expect.stringMatching(SENTENCE) });
    expect(deltas).toBeGreaterThan(5);
    expect(message.usage.output_tokens).toBeGreaterThan(5);
  });

  test("stops at its max_tokens and says so", async () => {
    const message = await anthropic.messages.create({ model: "auto", max_tokens: 3, messages: ask });
    expect(message.stop_reason).toBe("max_tokens");
    expect(message.usage.output_tokens).toBe(3);
  });

  test("hears of a wrong key and an unknown model in its own error classes", async () => {
    const stranger = new Anthropic({ baseURL: flock.url, apiKey: "wrong", maxRetries: 0 });
    const create = { max_tokens: 5, messages: ask };
    const refused = stranger.messages.create({ model: "auto", ...create });
    expect(await rejection(refused)).toBeInstanceOf(Anthropic.AuthenticationError);
    const unknown = anthropic.messages.create({ model: "gpt-9", ...create });
    expect(await rejection(unknown)).toBeInstanceOf(Anthropic.NotFoundError);
  });
});

test("both ways of sending a key work on both surfaces", async () => {
  const body = JSON.stringify({ model: "auto", max_tokens: 2, messages: ask });
  for (const path of ["/v1/chat/completions", "/v1/messages"]) {
    for (const headers of [{ authorization: `Bearer ${flock.adminKey}` }, { "x-api-key": flock.adminKey }]) {
      const answer = await fetch(`${flock.url}${path}`, { method: "POST", headers, body });
      expect(answer.status).toBe(200);
      expect(answer.headers.get("x-request-id")).toMatch(/^req_/);
      expect(answer.headers.get("x-flock-model")).toBe("flock-tiny");
      await answer.text();
    }
  }
});

test("every answer has its row in flock usage, with the tokens that the client was told", async () => {
  const answer = await openai.chat.completions.create({ model: "auto", messages: ask, user: "row" }).withResponse();
  const id = answer.response.headers.get("x-request-id");
  const row = await poll(5000, async () => {
    const { stdout } = await flock.cli("usage", "--json", "--limit", "200");
    const { records } = JSON.parse(stdout) as { records: Record<string, unknown>[] };
    return records.find((record) => record.request_id === id);
  });
  expect(row).toMatchObject({
    protocol: "openai",
    requested_model: "auto",
    served_model: "flock-tiny",
    outcome: "ok",
    prompt_tokens: answer.data.usage?.prompt_tokens,
    completion_tokens: answer.data.usage?.completion_tokens,
  });
});

test("/metrics counts requests and tokens; a scraper on this machine needs no key", async () => {
  const text = await (await fetch(`${flock.url}/metrics`)).text();
  expect(text).toMatch(
    /flock_requests_total\{model="flock-tiny",protocol="anthropic",outcome="ok",error="",status="200"\} [1-9]/,
  );
  expect(text).toMatch(/flock_tokens_total\{model="flock-tiny",kind="completion"\} [1-9]/);
  expect(text).toContain("flock_open_streams 0");
  const proxied = await fetch(`${flock.url}/metrics`, { headers: { "x-forwarded-for": "203.0.113.9" } });
  expect(proxied.status).toBe(401);
});

test("a probe of the base URL gets 200, a browser the dashboard, a wrong path an error with a way on", async () => {
  expect((await fetch(`${flock.url}/`, { method: "HEAD" })).status).toBe(200);
  const browser = await fetch(`${flock.url}/`, { headers: { accept: "text/html" }, redirect: "manual" });
  expect(browser.headers.get("location")).toBe("/ui/");
  expect((await fetch(`${flock.url}/ui/`)).headers.get("content-type")).toContain("text/html");
  const wrong = await flock.fetch("/v1/chat/complétions", { method: "POST" });
  expect(wrong.status).toBe(404);
  expect(await wrong.text()).toContain("/openapi.json");
});
