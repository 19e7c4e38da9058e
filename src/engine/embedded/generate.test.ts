import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { getLlama, LlamaCompletion, LlamaLogLevel } from "node-llama-cpp";
import { startTestChild, until, type TestChild } from "./test-child.ts";

const PATH = "/v1/chat/completions";
const WINDOW_TOKENS = 8192;

interface Body {
  readonly choices: readonly { readonly message: { readonly content: string }; readonly finish_reason: string }[];
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number; readonly total_tokens: number };
}

let child: TestChild;
beforeAll(async () => {
  child = await startTestChild(
    { kind: "random", seed: 42 },
    { contextTokens: WINDOW_TOKENS, windowTokens: WINDOW_TOKENS, slots: 4 },
  );
}, 30_000);
afterAll(() => child.stop());

function ask(content: string, more: object = {}): object {
  return { messages: [{ role: "user", content }], max_tokens: 24, temperature: 0, ...more };
}

async function textOf(body: object): Promise<string> {
  const response = await child.post(PATH, body);
  expect(response.status).toBe(200);
  return ((await response.json()) as Body).choices[0]?.message.content ?? "";
}

/** The library by itself, in this process, on the prompt as text. */
async function reference(contents: readonly string[]): Promise<string[]> {
  const llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    progressLogs: false,
    maxThreads: 1,
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath: child.modelPath });
  const context = await model.createContext({ contextSize: 1024, threads: 1 });
  const completion = new LlamaCompletion({ contextSequence: context.getSequence() });
  const texts: string[] = [];
  for (const content of contents) {
    const prompt = `<|im_start|>user\n${content}<|im_end|>\n<|im_start|>assistant\n`;
    texts.push(await completion.generateCompletion(model.tokenize(prompt, true), { temperature: 0, maxTokens: 24 }));
  }
  await llama.dispose();
  return texts;
}

describe("what is generated", () => {
  test("equals the library's own greedy run, and another prompt changes it", async () => {
    const prompts = ["What is a flock?", "What is a flock!"];
    const expected = await reference(prompts);
    expect(await Promise.all(prompts.map((prompt) => textOf(ask(prompt))))).toEqual(expected);
    expect(expected[0]).not.toBe(expected[1]);
    expect(expected[0]?.length).toBeGreaterThan(10);
  }, 20_000);

  test("is the same for the same seed and another one for another", async () => {
    const warm = { temperature: 1.5, top_k: 0, top_p: 1, min_p: 0 };
    const first = await textOf(ask("x", { ...warm, seed: 5 }));
    expect(await textOf(ask("x", { ...warm, seed: 5 }))).toBe(first);
    expect(await textOf(ask("x", { ...warm, seed: 6 }))).not.toBe(first);
    expect(await textOf(ask("x", { ...warm, seed: -1 }))).toBe(await textOf(ask("x", { ...warm, seed: -1 })));
    expect(await textOf(ask("x", warm))).not.toBe(await textOf(ask("x", warm)));
  });

  test("repeats itself less under a frequency penalty", async () => {
    const distinct = (text: string): number => new Set(text).size;
    const free = await textOf(ask("x", { max_tokens: 200 }));
    const punished = await textOf(ask("x", { max_tokens: 200, frequency_penalty: 2, presence_penalty: 2 }));
    expect(distinct(punished)).toBeGreaterThan(distinct(free));
  });

  test("ends with length where the window ends, whatever the limit", async () => {
    const small = await startTestChild({ kind: "random", seed: 42 }, { windowTokens: 256 });
    try {
      for (const limit of [{ max_tokens: null }, { max_tokens: 5000 }]) {
        const response = await small.post(PATH, ask("a".repeat(150), limit));
        const body = (await response.json()) as Body;
        expect(body.choices[0]?.finish_reason).toBe("length");
        expect(body.usage.total_tokens).toBe(256);
      }
    } finally {
      await small.stop();
    }
  }, 20_000);

  test("is right for four requests at once, and for more than there are sequences", async () => {
    const prompts = ["one", "two", "three", "four", "five", "six", "seven"];
    const alone: string[] = [];
    for (const prompt of prompts) alone.push(await textOf(ask(prompt)));
    expect(await Promise.all(prompts.map((prompt) => textOf(ask(prompt))))).toEqual(alone);
    expect(new Set(alone).size).toBe(prompts.length);
  }, 20_000);
});

/** Waits until nothing is evaluated, and makes sure that it stays so. */
async function settled(): Promise<void> {
  const counters = await until("the engine is idle", async () => {
    const now = await child.counters();
    return now.sequencesBusy === 0 && now.requestsWaiting === 0 && now;
  });
  await Bun.sleep(30);
  expect(await child.counters()).toEqual(counters);
}

describe("a client that hangs up", () => {
  test("in mid-stream stops the generation", async () => {
    const before = await child.counters();
    const abort = new AbortController();
    const response = await child.post(PATH, ask("story", { stream: true, max_tokens: null }), abort.signal);
    const reader = response.body?.getReader();
    await reader?.read();
    abort.abort();
    await until(
      "the abort is counted",
      async () => (await child.counters()).requestsAborted === before.requestsAborted + 1,
    );
    await settled();
    const after = await child.counters();
    expect(after.tokensGenerated - before.tokensGenerated).toBeLessThan(WINDOW_TOKENS / 2);
    expect(after.requestsFailed).toBe(before.requestsFailed);
  }, 20_000);

  for (const stream of [true, false]) {
    test(`before the first token stops the reading of the prompt (${stream ? "streamed" : "whole"})`, async () => {
      const before = await child.counters();
      const promptCharacters = 7000;
      const abort = new AbortController();
      const content = `${stream}${"long ".repeat(promptCharacters / 5)}`;
      const asked = child.post(PATH, ask(content, { stream }), abort.signal).catch(() => "hung up");
      await until("the prompt is being read", async () => {
        return (await child.counters()).promptTokensEvaluated > before.promptTokensEvaluated;
      });
      abort.abort();
      expect(await asked).toBe("hung up");
      await until(
        "the abort is counted",
        async () => (await child.counters()).requestsAborted === before.requestsAborted + 1,
      );
      await settled();
      const after = await child.counters();
      expect(after.tokensGenerated).toBe(before.tokensGenerated);
      expect(after.promptTokensEvaluated - before.promptTokensEvaluated).toBeLessThan(promptCharacters / 2);
    }, 20_000);
  }

  test("of a whole answer stops the generation", async () => {
    const before = await child.counters();
    const abort = new AbortController();
    const asked = child.post(PATH, ask("tale", { max_tokens: null }), abort.signal).catch(() => "hung up");
    await until("it generates", async () => (await child.counters()).tokensGenerated > before.tokensGenerated + 5);
    abort.abort();
    expect(await asked).toBe("hung up");
    await settled();
    const after = await child.counters();
    expect(after.requestsAborted).toBe(before.requestsAborted + 1);
    expect(after.tokensGenerated - before.tokensGenerated).toBeLessThan(WINDOW_TOKENS / 2);
  }, 20_000);

  test("while it waits for a sequence leaves at once, and the others go on", async () => {
    const before = await child.counters();
    const busy = new AbortController();
    const running = [1, 2, 3, 4].map((n) =>
      child.post(PATH, ask(`busy ${n}`, { max_tokens: null }), busy.signal).catch(() => "hung up"),
    );
    await until("all sequences are busy", async () => (await child.counters()).sequencesBusy === 4);
    const impatient = new AbortController();
    const leaving = child.post(PATH, ask("leaves"), impatient.signal).catch(() => "hung up");
    await until("it waits", async () => (await child.counters()).requestsWaiting === 1);
    const patient = textOf(ask("stays"));
    await until("both wait", async () => (await child.counters()).requestsWaiting === 2);
    impatient.abort();
    expect(await leaving).toBe("hung up");
    const left = await until("it left the queue", async () => {
      const now = await child.counters();
      return now.requestsWaiting === 1 && now;
    });
    expect(left.sequencesBusy).toBe(4);
    expect(left.requestsAborted).toBe(before.requestsAborted + 1);
    busy.abort();
    expect(await Promise.all(running)).toEqual(["hung up", "hung up", "hung up", "hung up"]);
    expect(await patient).toBe(await textOf(ask("stays")));
    await settled();
  }, 20_000);
});
