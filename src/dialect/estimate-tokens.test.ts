import { expect, test } from "bun:test";
import type { ChatRequest } from "../core/chat-request.ts";
import { estimatePrompt, estimateTokens } from "./estimate-tokens.ts";

const SAMPLES = {
  prose: `A cache keeps what was computed once so that it need not be computed again. The question is never whether to have one, but when its entries stop being true: a price that changed an hour ago, a user whose rights were taken away, a file that somebody renamed while you were reading. Most caches are wrong for a while, and most of the time nobody minds. Those who do mind should say how old an answer may be, and the cache should be able to tell them honestly. It helps to write down, beside each entry, where it came from and what would make it worthless; then a person who finds a strange result on a Tuesday evening can see in a minute whether the machine remembered something that the world had already forgotten.`,
  code: `interface Entry<T> {
  readonly value: T;
  readonly expiresAt: number;
}

/** Keeps values for a while; the oldest one goes first when there are too many. */
export class BoundedCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: string, now = Date.now()): T | undefined {
    const entry = this.#entries.get(key);
    if (!entry || entry.expiresAt <= now) return undefined;
    return entry.value;
  }

  set(key: string, value: T, lifetimeMs: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, expiresAt: Date.now() + lifetimeMs });
    if (this.#entries.size > this.#limit) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
  }
}`,
  schema: `{"type":"object","properties":{"file_path":{"type":"string","description":"The absolute path of the file to change"},"old_string":{"type":"string","description":"The text to replace; it must be there exactly once"},"new_string":{"type":"string","description":"The text to put in its place"},"replace_all":{"type":"boolean","default":false,"description":"Replace every occurrence instead of one"},"limit":{"type":"integer","minimum":1,"maximum":2000}},"required":["file_path","old_string","new_string"],"additionalProperties":false}`,
};

/** Counted with the tokenizers of Llama 3, Qwen 2.5, and GPT-4o. */
const COUNTED = { prose: [149, 149, 149], code: [217, 217, 218], schema: [115, 117, 120] };

test.each(Object.entries(COUNTED))("an estimate of %s is within a tenth of what tokenizers count", (name, counts) => {
  const estimate = estimateTokens(SAMPLES[name as keyof typeof SAMPLES]);
  for (const count of counts) expect(Math.abs(estimate / count - 1)).toBeLessThan(0.1);
});

test("a long text is judged by samples, and comes to as much", () => {
  const text = `${SAMPLES.prose}\n${SAMPLES.code}\n`.repeat(400);
  const once = estimateTokens(`${SAMPLES.prose}\n${SAMPLES.code}\n`);
  expect(Math.abs(estimateTokens(text) / (once * 400) - 1)).toBeLessThan(0.05);
});

test("other scripts and odd texts cost something, and nothing is without bounds", () => {
  for (const text of [
    "Привет, мир",
    "今天天气很好",
    "안녕하세요",
    "Größe",
    "😀😀😀",
    "\u0000\u0001",
    "a".repeat(1000),
  ]) {
    const estimate = estimateTokens(text);
    expect([text, estimate > 0 && estimate <= Buffer.byteLength(text) + 1]).toEqual([text, true]);
  }
  expect(estimateTokens("")).toBe(0);
});

const CHAT: ChatRequest = {
  model: "m",
  messages: [
    { role: "system", parts: [{ type: "text", text: SAMPLES.prose }] },
    { role: "user", parts: [{ type: "text", text: SAMPLES.code }] },
  ],
  stream: false,
  includeUsage: false,
  stop: [],
  sampling: {},
  tools: [],
  output: { kind: "text" },
};

test("a prompt is its texts, its tools and the template around them, by the model's vocabulary", () => {
  const plain = estimatePrompt(CHAT, ["qwen3-8b"]);
  const tool = {
    name: "edit",
    description: SAMPLES.prose,
    parameters: JSON.parse(SAMPLES.schema) as Record<string, string>,
  };
  const tooled = estimatePrompt({ ...CHAT, tools: [tool] }, ["qwen3-8b"]);
  expect(plain).toBeGreaterThan(149 + 217);
  expect(tooled - plain).toBeGreaterThan((149 + 117) * 0.9);
  expect(estimatePrompt(CHAT, ["gemma-3-4b"])).toBeGreaterThan(plain);
});
