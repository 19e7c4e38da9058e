import { afterAll, beforeAll, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { ANONYMOUS, type KeyLimits } from "../../src/core/principal.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";

let engine: ScriptedEngine;
let gateway: TestGateway;

const key = (limits: Partial<KeyLimits>) => ({ limits: { ...ANONYMOUS.limits, ...limits } });

beforeAll(async () => {
  engine = await startScriptedEngine();
  gateway = startGateway({
    engines: [engine],
    keys: {
      free: {},
      rpm: key({ requestsPerMinute: 3 }),
      rpm2: key({ requestsPerMinute: 1 }),
      rpm3: key({ requestsPerMinute: 1 }),
      tpm: key({ tokensPerMinute: 5000 }),
      quota: key({ dailyTokens: 100_000 }),
      both: key({ dailyTokens: 100_000, tokensPerMinute: 1000, requestsPerMinute: 9 }),
      short: key({ dailyTokens: 95 }),
      images: key({ dailyTokens: 1_000_000 }),
      history: key({ dailyTokens: 1_000_000 }),
      ...Object.fromEntries(Array.from({ length: 6 }, (_, at) => [`field${at}`, key({ dailyTokens: 6000 })])),
      spent: key({ dailyTokens: 3 }),
    },
  });
});
afterAll(async () => {
  await gateway.stop();
  await engine.stop();
});

const as = (name: string): RequestInit => ({ headers: { authorization: `Bearer ${name}` } });

function limitHeaders(answer: Response): Record<string, string> {
  const found = [...answer.headers].filter(([name]) => name.includes("ratelimit") || name === "retry-after");
  return Object.fromEntries(found.map(([name, value]) => [name.replace(/^(x|anthropic)-ratelimit-/, "$1 "), value]));
}

test("a key without limits gets no header of limits, streamed or not, on any surface", async () => {
  for (const stream of [true, false]) {
    expect(limitHeaders(await gateway.chat({ stream }, as("free")))).toEqual({});
    expect(limitHeaders(await gateway.messages({ stream }, as("free")))).toEqual({});
  }
});

test("OpenAI's clients read what is left of a minute's requests, and a 429 says truly when to come back", async () => {
  const seen: (string | undefined)[] = [];
  for (let at = 0; at < 3; at += 1) {
    const headers = limitHeaders(await gateway.chat({ stream: at === 1 }, as("rpm")));
    seen.push(headers["x remaining-requests"]);
    expect(headers).toMatchObject({
      "x limit-requests": "3",
      "x reset-requests": expect.stringMatching(/^(60|59\.\d+)s$|^1m0s$/),
    });
  }
  expect(seen).toEqual(["2", "1", "0"]);
  const refused = await gateway.chat({}, as("rpm"));
  const retryAfter = Number(refused.headers.get("retry-after"));
  expect([refused.status, retryAfter > 50 && retryAfter <= 60]).toEqual([429, true]);
  expect(limitHeaders(refused)["x remaining-requests"]).toBe("0");
  expect(await refused.json()).toMatchObject({
    error: {
      type: "rate_limit_error",
      code: "rate_limit_exceeded",
      message: expect.stringContaining("3 requests per minute"),
    },
  });
});

test("Anthropic's clients read theirs", async () => {
  const headers = limitHeaders(await gateway.messages({}, as("both")));
  const resetMs = Date.parse(headers["anthropic requests-reset"] ?? "") - Date.now();
  expect(headers).toMatchObject({
    "anthropic requests-limit": "9",
    "anthropic requests-remaining": "8",
    "anthropic requests-reset": expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    // Of both limits on tokens the one that is met first.
    "anthropic tokens-limit": "1000",
    "anthropic input-tokens-remaining": headers["anthropic tokens-remaining"],
    "anthropic output-tokens-remaining": headers["anthropic tokens-remaining"],
  });
  expect(Object.keys(headers).some((name) => name.startsWith("x "))).toBe(false);
  expect(resetMs > 30_000 && resetMs <= 61_000).toBe(true);
});

test("tokens of a minute are counted ahead, put right at the end, and shown", async () => {
  const first = await gateway.chat({ stream: true }, as("tpm"));
  expect(Number(limitHeaders(first)["x remaining-tokens"])).toBeLessThanOrEqual(5000 - 15);
  await first.text();
  const second = await gateway.chat({ max_tokens: 5 }, as("tpm"));
  // The scripted engine counts ten tokens of prompt and five of text each time.
  expect(limitHeaders(second)["x remaining-tokens"]).toBe("4970");
});

test("a daily quota is shown where it is the only limit on tokens, and until midnight", async () => {
  await (await gateway.chat({ stream: true }, as("quota"))).text();
  const headers = limitHeaders(await gateway.chat({ stream: true }, as("quota")));
  expect(headers["x limit-tokens"]).toBe("100000");
  expect(Number(headers["x remaining-tokens"])).toBeLessThan(100_000 - 15);
  expect(headers["x reset-tokens"]).toMatch(/^(\d+h)?\d+m\d+s$|s$/);
});

test("the prompt of an answer that was cut off or hung up on is charged by the engine's count, not by a guess", async () => {
  const records = (name: string) => gateway.records.filter(({ keyId }) => keyId === name);
  engine.script = {
    text: "word ".repeat(40),
    usage: { prompt: 31, completion: 40 },
    tokenDelayMs: 5,
  };
  expect(await (await gateway.chat({ stream: true }, as("short"))).text()).toContain('"finish_reason":"length"');
  expect(records("short").at(-1)).toMatchObject({ promptTokens: 31, outcome: "ok" });
  const gone = new AbortController();
  const answer = await gateway.chat({ stream: true }, { ...as("quota"), signal: gone.signal });
  await answer.body?.getReader().read();
  gone.abort();
  while (records("quota").at(-1)?.outcome !== "cancelled") await Bun.sleep(5);
  expect(records("quota").at(-1)).toMatchObject({ promptTokens: 31 });
  engine.script = { text: "Hello from the scripted engine." };
});

test("whatever a request calls the length of its answer, the quota covers the most that an engine could make of it", async () => {
  const before = engine.script;
  // An engine that obeys the field that allows most, and gives each choice that much.
  engine.script = (body) => {
    const most = Math.max(
      ...["max_tokens", "max_completion_tokens", "n_predict"].map((name) => Number(body[name] ?? 0)),
    );
    const tokens = Math.min(8000, most === 0 ? 8000 : most) * Number(body["n"] ?? 1);
    return body["stream"] === true
      ? { text: "word ".repeat(Math.min(tokens, 9000)) }
      : { text: "short", usage: { prompt: 10, completion: tokens } };
  };
  const bodies: Record<string, unknown>[] = [
    { max_tokens: 5, max_completion_tokens: 9000 },
    { max_tokens: 5, n_predict: 9000 },
    { max_tokens: 5, n_predict: -1 },
    { max_tokens: 500, n: 10 },
    { n: 3 },
    {},
  ];
  for (const [at, body] of bodies.entries()) {
    const name = `field${at}`;
    await (await gateway.chat(body, as(name))).text();
    const used = gateway.records
      .filter(({ keyId }) => keyId === name)
      .map((record) => record.promptTokens + record.completionTokens);
    expect([body, Math.max(...used) <= 6000]).toEqual([body, true]);
  }
  engine.script = before;
});

test("an image that the engine is to fetch weighs more than its address", async () => {
  const left = async (url: string): Promise<number> => {
    engine.script = { text: "one two three", tokenDelayMs: 30 };
    const content = [{ type: "image_url", image_url: { url } }];
    const answer = await gateway.chat({ stream: true, messages: [{ role: "user", content }] }, as("images"));
    const remaining = Number(limitHeaders(answer)["x remaining-tokens"]);
    await answer.text();
    return remaining;
  };
  const inline = await left("data:image/png;base64,AAAA");
  expect(await left("https://pictures.test/one.png")).toBeLessThan(inline - 4000);
  engine.script = { text: "Hello from the scripted engine." };
});

test("a conversation continued by its id weighs as much as all of it", async () => {
  const ask = (input: string, previous: string | null): Promise<Response> =>
    fetch(`${gateway.url}/v1/responses`, {
      ...as("history"),
      method: "POST",
      body: JSON.stringify({ model: "scripted", input, store: true, previous_response_id: previous, stream: true }),
    });
  const first = await (await ask("a long story ".repeat(300), null)).text();
  const id = /"id":"(resp_\w+)"/.exec(first)?.[1] ?? "";
  const left = (answer: Response): number => Number(limitHeaders(answer)["x remaining-tokens"]);
  engine.script = { text: "one two three", tokenDelayMs: 30 };
  const second = await ask("go on", id);
  // While it runs, the bytes of the whole conversation are set aside.
  expect(left(second)).toBeLessThan(1_000_000 - 3900);
  await second.text();
  engine.script = { text: "Hello from the scripted engine." };
});

test("a spent quota and a spent minute are told apart on each surface, each with its next step", async () => {
  const openai = await gateway.chat({}, as("spent"));
  expect([openai.status, await openai.json()]).toMatchObject([
    429,
    {
      error: {
        type: "insufficient_quota",
        code: "insufficient_quota",
        message: expect.stringContaining("flock token edit <key> --quota"),
      },
    },
  ]);
  const anthropic = await gateway.messages({}, as("spent"));
  expect([anthropic.status, await anthropic.json()]).toMatchObject([
    429,
    { type: "error", error: { type: "rate_limit_error", message: expect.stringContaining("daily quota of 3 tokens") } },
  ]);
  const ollama = await fetch(`${gateway.url}/api/chat`, {
    ...as("spent"),
    method: "POST",
    body: JSON.stringify({ model: "scripted", messages: [{ role: "user", content: "hi" }] }),
  });
  expect([ollama.status, await ollama.json()]).toMatchObject([429, { error: expect.stringContaining("quota") }]);
  const embeddings = await fetch(`${gateway.url}/v1/embeddings`, {
    ...as("spent"),
    method: "POST",
    body: JSON.stringify({ model: "scripted", input: "hi" }),
  });
  expect([embeddings.status, limitHeaders(embeddings)["x limit-tokens"]]).toEqual([429, "3"]);
});

test("the official clients take both kinds of 429 for what they are", async () => {
  const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: "rpm2", maxRetries: 0 });
  const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: "rpm3", maxRetries: 0 });
  const messages = [{ role: "user" as const, content: "hi" }];
  const { response } = await openai.chat.completions.create({ model: "auto", messages }).withResponse();
  expect(response.headers.get("x-ratelimit-remaining-requests")).toBe("0");
  const limited = await openai.chat.completions.create({ model: "auto", messages }).catch((cause: unknown) => cause);
  expect(limited).toBeInstanceOf(OpenAI.RateLimitError);
  expect(limited).toMatchObject({ code: "rate_limit_exceeded" });
  await anthropic.messages.create({ model: "claude-sonnet-5", max_tokens: 9, messages });
  const busy = await anthropic.messages
    .create({ model: "claude-sonnet-5", max_tokens: 9, messages })
    .catch((cause: unknown) => cause);
  expect(busy).toBeInstanceOf(Anthropic.RateLimitError);
});
