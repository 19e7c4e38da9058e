import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { writeTinyModel } from "../../scripts/gguf/tiny-model.ts";
import { embeddedEngine, type EngineCounters } from "../support/engine-counters.ts";
import { type Flock, poll, startFlock, temporaryDirectory } from "../support/start-flock.ts";

// Random weights never come to an end by themselves: what stops them is the hang-up, or their window of 32k tokens.
const CONTEXT = 32_768;
const ask = [{ role: "user" as const, content: "go on for ever" }];
// About 18,000 tokens of prompt (this tokenizer knows few words): seconds of prefill.
const long = [{ role: "user" as const, content: "the llama of the flock and ".repeat(700) }];

let dataDir: string;
let flock: Flock;
let openai: OpenAI;
let anthropic: Anthropic;
beforeAll(async () => {
  dataDir = temporaryDirectory();
  mkdirSync(join(dataDir, "models"));
  await writeTinyModel(join(dataDir, "models/random.gguf"), { kind: "random", seed: 7 }, { contextTokens: CONTEXT });
  flock = await startFlock({
    dataDir,
    env: { FLOCK_ENGINE_EMBEDDED_CONTEXT: String(CONTEXT), FLOCK_ENGINE_EMBEDDED_SLOTS: "2" },
  });
  openai = new OpenAI({ baseURL: `${flock.url}/v1`, apiKey: flock.adminKey, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: flock.url, apiKey: flock.adminKey, maxRetries: 0 });
});
afterAll(async () => {
  await flock.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const counters = (): Promise<EngineCounters> => embeddedEngine(dataDir).counters();

/** Resolves when the engine works on a request that it had not begun `before`. */
async function untilEvaluating(before: EngineCounters): Promise<void> {
  await poll(10_000, async () => {
    const now = await counters();
    return now.evaluating && now.requestsStarted > before.requestsStarted;
  });
}

/** The engine is idle again although the answer was nowhere near its end, and it knows why. */
async function expectStopped(before: EngineCounters): Promise<void> {
  const after = await poll(5000, async () => {
    const now = await counters();
    return now.sequencesBusy === 0 && now.requestsAborted > before.requestsAborted ? now : null;
  });
  expect(after.tokensGenerated - before.tokensGenerated).toBeLessThan(CONTEXT / 4);
  expect((await counters()).tokensGenerated).toBe(after.tokensGenerated);
}

async function expectUsageRow(outcome: string): Promise<void> {
  await poll(5000, async () => {
    const { records } = (await (await flock.fetch("/admin/v1/usage/recent?limit=1")).json()) as {
      records: { outcome: string }[];
    };
    return records[0]?.outcome === outcome;
  });
}

test("a client that leaves in mid-stream stops the engine", async () => {
  const before = await counters();
  const stream = await openai.chat.completions.create({ model: "random", messages: ask, stream: true, temperature: 0 });
  let seen = 0;
  for await (const chunk of stream) {
    seen += chunk.choices.length;
    if (seen > 5) break;
  }
  await expectStopped(before);
  await expectUsageRow("cancelled");
});

test("a client that leaves before the first token stops the prefill", async () => {
  const before = await counters();
  const abort = new AbortController();
  const call = anthropic.messages
    .create({ model: "auto", max_tokens: 10, messages: long, stream: true }, { signal: abort.signal })
    .then(
      () => "answered",
      () => "aborted",
    );
  await untilEvaluating(before);
  abort.abort();
  expect(await call).toBe("aborted");
  await expectStopped(before);
  expect((await counters()).promptTokensEvaluated - before.promptTokensEvaluated).toBeLessThan(15_000);
});

test("a client that leaves while waiting for a whole answer stops the engine", async () => {
  const before = await counters();
  const abort = new AbortController();
  const call = openai.chat.completions
    .create({ model: "random", messages: ask, temperature: 0 }, { signal: abort.signal })
    .then(
      () => "answered",
      () => "aborted",
    );
  await untilEvaluating(before);
  abort.abort();
  expect(await call).toBe("aborted");
  await expectStopped(before);
});

test("a changed prompt changes the greedy answer, and the same one repeats it", async () => {
  const answer = async (content: string): Promise<string> => {
    const messages = [{ role: "user" as const, content }];
    const reply = await openai.chat.completions.create({ model: "random", messages, max_tokens: 24, temperature: 0 });
    return reply.choices[0]?.message.content ?? "";
  };
  const [first, again, other] = [await answer("one"), await answer("one"), await answer("another one")];
  expect(first.length).toBeGreaterThan(10);
  expect(again).toBe(first);
  expect(other).not.toBe(first);
});

test("a prompt beyond the window is refused in the words that each client understands", async () => {
  const messages = [{ role: "user" as const, content: "the llama of the flock and ".repeat(2500) }];
  const openaiError = await openai.chat.completions.create({ model: "random", messages }).then(
    () => null,
    (error: unknown) => error,
  );
  expect(openaiError).toBeInstanceOf(OpenAI.BadRequestError);
  expect(openaiError).toMatchObject({ code: "context_length_exceeded" });
  const anthropicError = await anthropic.messages.create({ model: "auto", max_tokens: 5, messages }).then(
    () => null,
    (error: unknown) => error,
  );
  expect(String(anthropicError)).toMatch(/prompt is too long: \d+ tokens > 32768 maximum/);
});

test("a crash of the engine costs its requests a proper error and nothing else", async () => {
  const stream = await openai.chat.completions.create({ model: "random", messages: ask, stream: true });
  let seen = 0;
  let failure: unknown = null;
  try {
    for await (const chunk of stream) {
      seen += chunk.choices.length;
      if (seen === 5) process.kill(embeddedEngine(dataDir).pid, "SIGKILL");
    }
  } catch (error) {
    failure = error;
  }
  expect(failure).toBeInstanceOf(OpenAI.APIError);
  expect(String(failure)).toContain("embedded");
  // The next request waits for the restart instead of failing.
  const next = await openai.chat.completions.create({ model: "random", messages: ask, max_tokens: 3 });
  expect(next.usage?.completion_tokens).toBe(3);
  expect((await fetch(`${flock.url}/readyz`)).status).toBe(200);
  expect(process.kill(flock.pid, 0)).toBe(true);
});
