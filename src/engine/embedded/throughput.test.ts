import { describe, expect, test } from "bun:test";
import type { TinyWeights } from "../../../scripts/gguf/tiny-model.ts";
import { startTestChild, type TestChild } from "./test-child.ts";

const ROUNDS = 7;
/** Until the engine's JavaScript is compiled. */
const WARM_TOKENS = 80;
/** The same each time: reading them is no part of what is measured. */
const PROMPTS = ["one", "two", "three", "four"];

interface Run {
  /** When each piece of each stream came. */
  readonly times: readonly number[][];
  readonly workedMs: number;
  readonly batches: number;
}

async function run(child: TestChild, streams: number, tokens: number): Promise<Run> {
  const before = await child.counters();
  const startedMs = child.workedMs();
  const times = await Promise.all(PROMPTS.slice(0, streams).map((prompt) => arrivals(child, prompt, tokens)));
  return { times, workedMs: child.workedMs() - startedMs, batches: (await child.counters()).batches - before.batches };
}

async function arrivals(child: TestChild, content: string, tokens: number): Promise<number[]> {
  const messages = [{ role: "user", content }];
  const body = { messages, temperature: 0, max_tokens: tokens, stream: true };
  const response = await child.post("/v1/chat/completions", body);
  const times: number[] = [];
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    for (const _ of decoder.decode(chunk).matchAll(/"content":"/g)) times.push(performance.now());
  }
  return times;
}

/** One stream and four in turn, so that what else this machine does meets both alike. */
async function compare(weights: TinyWeights, tokens: number): Promise<{ one: Run; four: Run; timesOne: number }> {
  const child = await startTestChild(weights, { slots: 4 });
  try {
    await run(child, 4, Math.max(tokens, WARM_TOKENS));
    const [ones, fours]: [Run[], Run[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      ones.push(await run(child, 1, tokens));
      fours.push(await run(child, 4, tokens));
    }
    const [one] = ones;
    const [four] = fours;
    if (!one || !four) throw new Error("no round was run");
    return { one, four, timesOne: workOf(fours) / workOf(ones) };
  } finally {
    await child.stop();
  }
}

/** The middle one of the rounds: another program that takes the caches for a while is in a few of them. */
function workOf(runs: readonly Run[]): number {
  return runs.map(({ workedMs }) => workedMs).toSorted((a, b) => a - b)[runs.length >> 1] ?? Number.NaN;
}

describe("four streams go through the model together and take", () => {
  test("less than twice the time of one where weights are the work, as in models that people use", async () => {
    const TOKENS = 32;
    const heavy = { kind: "random", seed: 9, layers: 1, embedding: 2048, heads: 16, repeats: true } as const;
    const { one, four, timesOne } = await compare(heavy, TOKENS);
    expect(four.batches).toBeLessThan(one.batches * 1.2);
    expect(timesOne).toBeLessThan(2);
    // Who came when, over all four: turns change hands all the time.
    const order = four.times
      .flatMap((times, stream) => times.map((at) => ({ at, stream })))
      .toSorted((a, b) => a.at - b.at);
    const changes = order.filter(({ stream }, index) => index > 0 && order[index - 1]?.stream !== stream).length;
    expect(changes).toBeGreaterThan(TOKENS);
    const firsts = four.times.map((times) => times[0] ?? Infinity);
    const lasts = four.times.map((times) => times.at(-1) ?? 0);
    expect(Math.max(...firsts)).toBeLessThan(Math.min(...lasts));
  }, 60_000);

  test("not much more for the smallest model, where each token's way to its socket is the work", async () => {
    const { one, four, timesOne } = await compare({ kind: "random", seed: 9, layers: 1, embedding: 32, heads: 1 }, 400);
    expect(four.batches).toBeLessThan(one.batches * 1.2);
    expect(timesOne).toBeLessThan(3);
  }, 60_000);
});
