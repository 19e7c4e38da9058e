import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeTinyModel } from "../../../scripts/gguf/tiny-model.ts";
import { systemClock } from "../../core/clock.ts";
import { parseChatBody } from "./chat-body.ts";
import { newCounters } from "./counters.ts";
import { generate, type GenerateJob } from "./generate.ts";
import { type LoadedModel, loadModel } from "./load-model.ts";
import { planChat } from "./plan-chat.ts";

/** One batch, and a rest that goes along with the last one. */
const MOST_SLICE_TOKENS = 512 * 1.5;

const directory = mkdtempSync(join(tmpdir(), "flock-abort-"));
const counters = newCounters();
let loaded: LoadedModel;
beforeAll(async () => {
  const modelPath = join(directory, "random.gguf");
  await writeTinyModel(modelPath, { kind: "random", seed: 3 }, { contextTokens: 4096 });
  const settings = {
    modelPath,
    modelId: "random",
    secret: "s",
    port: 0,
    readyFile: null,
    contextTokens: 4096,
    slots: 1,
    threads: 1,
    gpu: "off",
    freeBytes: null,
  } as const;
  const result = await loadModel(settings, new AbortController().signal, () => undefined, counters);
  if (!result.ok) throw new Error(result.error);
  loaded = result.value;
}, 20_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function job(content: string): Promise<GenerateJob> {
  const call = parseChatBody({ messages: [{ role: "user", content }], max_tokens: 1000 });
  const plan = call.ok ? await planChat(call.value, loaded) : call;
  if (!plan.ok) throw new Error(plan.error.message);
  return plan.value;
}

test("an abort while it writes frees the sequence within one token", async () => {
  const abort = new AbortController();
  const events = generate(loaded, await job("x"), counters, systemClock, abort.signal);
  for (let n = 0; n < 10; n++) await events.next();
  const next = events.next();
  const before = counters.tokensGenerated;
  abort.abort(new Error("gone"));
  expect(await next.catch((error: Error) => error.message)).toBe("gone");
  expect(counters.tokensGenerated - before).toBeLessThanOrEqual(1);
  expect(counters.sequencesBusy).toBe(0);
  // The only sequence is there for the next one at once.
  const after = generate(loaded, await job("y"), counters, systemClock, new AbortController().signal);
  expect((await after.next()).done).toBe(false);
  await after.return();
  expect(counters.sequencesBusy).toBe(0);
});

test("an abort while it reads the prompt frees the sequence within one slice", async () => {
  const abort = new AbortController();
  const events = generate(loaded, await job("long ".repeat(800)), counters, systemClock, abort.signal);
  const first = events.next();
  const before = counters.promptTokensEvaluated;
  while (counters.promptTokensEvaluated === before) await Bun.sleep(0);
  const read = counters.promptTokensEvaluated;
  abort.abort(new Error("gone"));
  expect(await first.catch((error: Error) => error.message)).toBe("gone");
  expect(counters.promptTokensEvaluated - read).toBeLessThanOrEqual(MOST_SLICE_TOKENS);
  expect(counters.sequencesBusy).toBe(0);
});
