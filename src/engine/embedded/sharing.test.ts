import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestChild, type TestChild } from "./test-child.ts";

const PATH = "/v1/chat/completions";
const WINDOW_TOKENS = 8192;

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
