import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestChild, type TestChild } from "./test-child.ts";

interface Choice {
  readonly text: string;
  readonly finish_reason: string | null;
  readonly logprobs: {
    readonly content: readonly { readonly token: string; readonly top_logprobs: unknown[] }[];
  } | null;
}
interface Body {
  readonly object: string;
  readonly choices: readonly Choice[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number };
}

const PATH = "/v1/completions";
const GREEDY = { temperature: 0, max_tokens: 8 };

let plain: TestChild;
let filling: TestChild;
beforeAll(async () => {
  [plain, filling] = await Promise.all([
    startTestChild({ kind: "random", seed: 1 }, { windowTokens: 256 }),
    startTestChild({ kind: "random", seed: 1 }, { windowTokens: 256, infill: true }),
  ]);
}, 30_000);
afterAll(async () => {
  await plain.stop();
  await filling.stop();
});

async function complete(child: TestChild, body: object): Promise<Body> {
  const response = await child.post(PATH, { ...GREEDY, ...body });
  expect(response.status).toBe(200);
  return (await response.json()) as Body;
}

async function refusal(child: TestChild, body: object): Promise<Record<string, unknown>> {
  const response = await child.post(PATH, body);
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  expect(error["code"]).toBe(response.status);
  return error;
}

test("a text is gone on with as it is: no template stands around it", async () => {
  const body = await complete(plain, { prompt: "abc" });
  expect(body.object).toBe("text_completion");
  expect(body.choices[0]?.finish_reason).toBe("length");
  // Three letters and the token that begins a text.
  expect(body.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 8 });
});

test("token numbers are the prompt that they stand for", async () => {
  const { tokens } = (await (await plain.post("/tokenize", { content: "abc", add_special: true })).json()) as {
    tokens: number[];
  };
  const [text, numbers] = [await complete(plain, { prompt: "abc" }), await complete(plain, { prompt: tokens })];
  expect(numbers.choices[0]?.text).toBe(text.choices[0]?.text ?? "");
  expect(numbers.usage).toMatchObject({ prompt_tokens: tokens.length });
});

test("a stream says the same as the whole answer, with its usage where asked", async () => {
  const whole = await complete(plain, { prompt: "abc" });
  const response = await plain.post(PATH, {
    ...GREEDY,
    prompt: "abc",
    stream: true,
    stream_options: { include_usage: true },
  });
  const events = (await response.text()).trim().split("\n\n");
  expect(events.at(-1)).toBe("data: [DONE]");
  const frames = events.slice(0, -1).map((event) => JSON.parse(event.slice("data: ".length)) as Body);
  expect(frames.map(({ choices }) => choices[0]?.text ?? "").join("")).toBe(whole.choices[0]?.text ?? "");
  expect(frames.at(-2)?.choices[0]?.finish_reason).toBe("length");
  expect(frames.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 8 } });
});

test("each token comes with its log probability where asked", async () => {
  const [choice] = (await complete(plain, { prompt: "abc", logprobs: 2 })).choices;
  expect(choice?.logprobs?.content).toHaveLength(8);
  expect(choice?.logprobs?.content[0]?.top_logprobs).toHaveLength(2);
});

test("a gap is filled by the model's own marks, and what stands behind it matters", async () => {
  const between = await complete(filling, { prompt: "def f(", suffix: "return 1" });
  // The beginning, three marks, and both texts.
  expect(between.usage).toMatchObject({ prompt_tokens: 1 + 3 + 6 + 8 });
  expect((await complete(filling, { prompt: "def f(", suffix: "pass" })).choices).not.toEqual(between.choices);
});

test.each<[object, string, number]>([
  [{ prompt: "a", suffix: "b" }, "suffix", 501],
  [{ prompt: "a", n: 2 }, "n", 501],
  [{ prompt: "a", echo: true }, "echo", 501],
  [{ prompt: [] }, "prompt", 400],
  [{ prompt: [99_999] }, "prompt", 400],
  [{ prompt: [1], suffix: "b" }, "prompt", 400],
  [{}, "prompt", 400],
  [{ prompt: "a", logit_bias: { 99999: 1 } }, "logit_bias", 400],
  [{ prompt: "a", grammar: "no grammar" }, "grammar", 400],
])("what it cannot do is refused by name: %j", async (body, param, code) => {
  expect(await refusal(plain, body)).toMatchObject({ param, code });
});

test("a prompt that does not fit is refused with the numbers, and what nobody understands is named", async () => {
  expect(await refusal(plain, { prompt: "a".repeat(300) })).toMatchObject({
    type: "exceed_context_size_error",
    n_prompt_tokens: 301,
    n_ctx: 256,
  });
  expect(await refusal(plain, { prompt: "a".repeat(100_000) })).toMatchObject({ type: "exceed_context_size_error" });
  const answer = await plain.post(PATH, { ...GREEDY, prompt: "", strange: 1, user: "u" });
  expect(answer.headers.get("x-flock-adjusted")).toBe("ignored strange");
});
