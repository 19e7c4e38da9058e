import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Token } from "node-llama-cpp";
import { writeTinyModel } from "../../../scripts/gguf/tiny-model.ts";
import { systemClock } from "../../core/clock.ts";
import { newCounters } from "./counters.ts";
import { generate, type GenerateJob } from "./generate.ts";
import { loadModel, type LoadedModel } from "./load-model.ts";

// In this process, where the engine's work can be told from what else the machine does.
const WINDOW_TOKENS = 32_768;
const PROMPT_TOKENS = 30_000;
/** The largest slice beside others, one before its end and one after it. */
const MOST_TOKENS = 2 * 449;
/**
 * Twice what a slice may take beside others. Work is that of the whole process: a collection or a compiler's may fall into one
 * in twenty.
 */
const LONGEST_MS = 100;
const RARELY = 0.05;

const counters = newCounters();
let directory: string;
let loaded: LoadedModel;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "flock-long-prompt-"));
  const modelPath = join(directory, "tiny.gguf");
  const shape = { kind: "random", seed: 9, layers: 1, embedding: 32, heads: 1 } as const;
  await writeTinyModel(modelPath, shape, { contextTokens: WINDOW_TOKENS });
  const settings = { modelPath, modelId: "tiny", secret: "none", port: 0, readyFile: null } as const;
  const size = { contextTokens: WINDOW_TOKENS, slots: 2, threads: 1, gpu: "off", freeBytes: null } as const;
  const result = await loadModel({ ...settings, ...size }, new AbortController().signal, () => undefined, counters);
  if (!result.ok) throw new Error(result.error);
  loaded = result.value;
}, 30_000);
afterAll(async () => {
  await loaded.model.llama.dispose();
  rmSync(directory, { recursive: true, force: true });
});

function job(tokens: Token[], maxTokens: number): GenerateJob {
  const cuts = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1 };
  return {
    tokens,
    maxTokens,
    stop: [],
    sampling: { ...cuts, presencePenalty: 0, frequencyPenalty: 0, logitBias: new Map() },
    form: { harmony: null, thinking: null, calls: null },
    marks: new Map(),
    grammar: null,
    logprobs: null,
    thinkingLimit: null,
  };
}

test("between two tokens of a stream little of another's prompt of 30,000 tokens is read", async () => {
  const stop = new AbortController();
  const writing = generate(loaded, job(loaded.model.tokenize("writer"), 20_000), counters, systemClock, stop.signal);
  await writing.next();
  const prompt = loaded.model.tokenize("abcdefghij".repeat(PROMPT_TOKENS / 10));
  const over = new AbortController();
  const read = Array.fromAsync(generate(loaded, job(prompt, 1), counters, systemClock, stop.signal)).finally(() => {
    over.abort();
  });
  const seen: { evaluated: number; workedMs: number }[] = [];
  while (!over.signal.aborted) {
    await writing.next();
    const { user, system } = process.cpuUsage();
    seen.push({ evaluated: counters.promptTokensEvaluated, workedMs: (user + system) / 1000 });
  }
  await read;
  stop.abort();
  await writing.return();
  const between = seen.slice(1).map((now, index) => {
    const before = seen[index] ?? now;
    return { evaluated: now.evaluated - before.evaluated, workedMs: now.workedMs - before.workedMs };
  });
  expect(counters.promptTokensEvaluated).toBeGreaterThanOrEqual(PROMPT_TOKENS);
  expect(Math.max(...between.map(({ evaluated }) => evaluated))).toBeLessThanOrEqual(MOST_TOKENS);
  const long = between.filter(({ workedMs }) => workedMs >= LONGEST_MS);
  expect(long.length).toBeLessThanOrEqual(RARELY * between.length);
}, 60_000);
