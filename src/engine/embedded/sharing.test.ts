import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startTestChild, type TestChild, until } from "./test-child.ts";

const PATH = "/v1/chat/completions";
const WINDOW_TOKENS = 32_768;

let child: TestChild;
beforeAll(async () => {
  child = await startTestChild(
    { kind: "random", seed: 9, layers: 1, embedding: 32, heads: 1 },
    { contextTokens: WINDOW_TOKENS, windowTokens: WINDOW_TOKENS, slots: 4 },
  );
}, 30_000);
afterAll(() => child.stop());

interface Message {
  readonly role: string;
  readonly content: string;
}

function ask(messages: readonly Message[], more: object = {}): object {
  return { messages, temperature: 0, max_tokens: 16, ...more };
}

function user(content: string): Message {
  return { role: "user", content };
}

async function textOf(messages: readonly Message[]): Promise<{ text: string; cached: number; prompt: number }> {
  const body = (await (await child.post(PATH, ask(messages))).json()) as {
    choices: [{ message: Message }];
    usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } };
  };
  const { prompt_tokens: prompt, prompt_tokens_details: details } = body.usage;
  return { text: body.choices[0].message.content, prompt, cached: details.cached_tokens };
}

test("a second turn evaluates only what is new", async () => {
  const first: Message[] = [{ role: "system", content: "rules ".repeat(400) }, user("question ".repeat(80))];
  const { text, prompt } = await textOf(first);
  expect(prompt).toBeGreaterThan(3000);
  const before = await child.counters();
  const second = await textOf([...first, { role: "assistant", content: text }, user("and then?")]);
  const evaluated = (await child.counters()).promptTokensEvaluated - before.promptTokensEvaluated;
  expect(evaluated).toBeLessThan(second.prompt * 0.05);
  expect(evaluated + second.cached).toBe(second.prompt);
}, 20_000);

test("requests that share a system prompt evaluate it once, and a short one leaves a long one's state alone", async () => {
  const system = { role: "system", content: "shared rules ".repeat(100) };
  await textOf([system, user("first question")]);
  expect((await textOf([system, user("another question")])).cached).toBeGreaterThan(1200);
  const long = [user("a long story ".repeat(200))];
  await textOf(long);
  for (let n = 0; n < 3; n++) await textOf([user(`a short one ${n}`)]);
  const again = await textOf(long);
  expect(again.cached).toBe(again.prompt - 1);
}, 20_000);

describe("a prompt of 30,000 tokens", () => {
  test("does not keep another stream waiting", async () => {
    let evaluating = false;
    const during: number[] = [];
    const stop = new AbortController();
    // Writes on until the prompt has been read.
    const stream = (async () => {
      const body = ask([user("writer")], { stream: true, max_tokens: 20_000 });
      const response = await child.post(PATH, body, stop.signal);
      for await (const _ of response.body ?? []) if (evaluating) during.push(performance.now());
    })().catch(() => undefined);
    await until("it writes", async () => (await child.counters()).sequencesBusy === 1);
    const before = await child.counters();
    const startedMs = performance.now();
    evaluating = true;
    const { prompt } = await textOf([user("abcdefghij".repeat(3000))]);
    evaluating = false;
    const tookMs = performance.now() - startedMs;
    stop.abort();
    await stream;
    const after = await child.counters();
    expect(after.promptTokensEvaluated - before.promptTokensEvaluated).toBeGreaterThan(29_000);
    const gaps = during.slice(1).map((at, index) => at - (during[index] ?? at));
    // Two busy sequences: slices of 128. The last ones are the slowest, since they look back the furthest.
    const sliceMs = tookMs / (prompt / 128);
    expect(during.length).toBeGreaterThan(100);
    // All but the few in which this machine did something else: a stream kept waiting by the prompt waits each time.
    const usual = gaps.toSorted((a, b) => a - b)[Math.floor(gaps.length * 0.97)] ?? Infinity;
    expect(usual).toBeLessThan(8 * sliceMs + 50);
  }, 30_000);
});
