import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { TokenLogprob } from "./logprobs.ts";
import { startTestChild, type TestChild } from "./test-child.ts";

const PATH = "/v1/chat/completions";

let child: TestChild;
beforeAll(async () => {
  child = await startTestChild({ kind: "random", seed: 5 }, { windowTokens: 512 });
}, 30_000);
afterAll(() => child.stop());

interface Choice {
  readonly message: { readonly content: string };
  readonly delta: { readonly content?: string };
  readonly logprobs?: { readonly content: readonly TokenLogprob[] };
}

function ask(more: object): object {
  return { messages: [{ role: "user", content: "x" }], max_tokens: 12, temperature: 0, ...more };
}

async function choice(more: object): Promise<Choice> {
  const response = await child.post(PATH, ask(more));
  expect(response.status).toBe(200);
  return ((await response.json()) as { choices: Choice[] }).choices[0] as Choice;
}

function joined(tokens: readonly TokenLogprob[] | undefined): string {
  return (tokens ?? []).map(({ token }) => token).join("");
}

describe("log probabilities", () => {
  test("come one for each token of the text, with the likeliest others beside it", async () => {
    const { message, logprobs } = await choice({ logprobs: true, top_logprobs: 20 });
    expect(logprobs?.content).toHaveLength(12);
    expect(joined(logprobs?.content)).toBe(message.content);
    for (const { token, bytes, logprob, top_logprobs: top } of logprobs?.content ?? []) {
      expect(Buffer.from(bytes).toString()).toBe(token);
      expect(top).toHaveLength(20);
      // Greedy: the likeliest is the one that was taken.
      expect(top[0]).toEqual({ token, bytes, logprob });
      expect(logprob).toBeLessThan(0);
      const sum = top.reduce((total, other) => total + Math.exp(other.logprob), 0);
      expect(sum).toBeLessThanOrEqual(1.0001);
      expect(top.map((other) => other.logprob)).toEqual(top.map((other) => other.logprob).toSorted((a, b) => b - a));
    }
  });

  test("do not change the text, and are the model's own at any temperature", async () => {
    const plain = await choice({});
    const greedy = await choice({ logprobs: true, top_logprobs: 3 });
    expect(greedy.message.content).toBe(plain.message.content);
    const warm = await choice({ logprobs: true, top_logprobs: 3, temperature: 2, seed: 1, max_tokens: 1 });
    expect(warm.logprobs?.content[0]?.top_logprobs).toEqual(greedy.logprobs?.content[0]?.top_logprobs ?? []);
  });

  test("leave the seed in force", async () => {
    const warm = { logprobs: true, temperature: 1.5, top_k: 0, top_p: 1, min_p: 0 };
    const first = await choice({ ...warm, seed: 5 });
    expect((await choice({ ...warm, seed: 5 })).message.content).toBe(first.message.content);
    expect((await choice({ ...warm, seed: 6 })).message.content).not.toBe(first.message.content);
    expect(first.logprobs?.content[0]?.top_logprobs).toEqual([]);
  });

  test("are streamed with the text they belong to", async () => {
    const response = await child.post(PATH, ask({ logprobs: true, top_logprobs: 1, stream: true }));
    const frames = (await response.text()).split("\n\n").filter((frame) => frame.startsWith("data: {"));
    const choices = frames.flatMap((frame) => (JSON.parse(frame.slice(6)) as { choices: Choice[] }).choices);
    const text = choices.map(({ delta }) => delta.content ?? "").join("");
    expect(joined(choices.flatMap(({ logprobs }) => logprobs?.content ?? []))).toBe(text);
    expect(text).not.toBe("");
  });

  test("are there under a schema too", async () => {
    const { message, logprobs } = await choice({ logprobs: true, json_schema: { enum: ["yes", "no"] } });
    expect(["yes", "no"]).toContain(JSON.parse(message.content) as string);
    expect(joined(logprobs?.content)).toBe(message.content);
  });
});

test("a bias makes a token certain or impossible", async () => {
  const { tokens } = (await (await child.post("/tokenize", { content: "Q" })).json()) as { tokens: number[] };
  const token = tokens.at(-1) ?? 0;
  expect((await choice({ logit_bias: { [token]: 100 }, max_tokens: 3 })).message.content).toBe("QQQ");
  const { message } = await choice({ logit_bias: { [token]: 100 }, max_tokens: 3, logprobs: true, temperature: 1 });
  expect(message.content).toBe("QQQ");
  const first = (await choice({ max_tokens: 1 })).message.content;
  const { tokens: banned } = (await (await child.post("/tokenize", { content: first })).json()) as { tokens: number[] };
  expect((await choice({ max_tokens: 1, logit_bias: { [banned.at(-1) ?? 0]: -100 } })).message.content).not.toBe(first);
});

test("text becomes tokens and tokens text again", async () => {
  for (const content of ["What a flock! 🐦 größer", "", "<|im_end|>"]) {
    const { tokens } = (await (await child.post("/tokenize", { content })).json()) as { tokens: number[] };
    expect(tokens.every((token) => Number.isInteger(token))).toBe(true);
    expect(await (await child.post("/detokenize", { tokens })).json()).toEqual({ content });
  }
  const special = (await (
    await child.post("/tokenize", { content: "<|im_end|>", parse_special: true })
  ).json()) as object;
  expect(special).toEqual({ tokens: [expect.any(Number)] });
  for (const [path, body] of [
    ["/tokenize", { content: 5 }],
    ["/detokenize", { tokens: ["a"] }],
    ["/detokenize", { tokens: [9_999_999] }],
  ] as const) {
    expect((await child.post(path, body)).status).toBe(400);
  }
});
