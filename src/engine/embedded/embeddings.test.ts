import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestChild, type TestChild } from "./test-child.ts";

const PATH = "/v1/embeddings";

interface Body {
  readonly object: string;
  readonly model: string;
  readonly data: readonly { readonly index: number; readonly embedding: number[] }[];
  readonly usage: unknown;
}

let child: TestChild;
beforeAll(async () => {
  child = await startTestChild({ kind: "random", seed: 7 }, { windowTokens: 256 });
}, 30_000);
afterAll(() => child.stop());

async function embed(body: object): Promise<Body> {
  const response = await child.post(PATH, body);
  expect(response.status).toBe(200);
  return (await response.json()) as Body;
}

test("one text gives one unit vector, the same each time", async () => {
  const body = await embed({ model: "asked", input: "hello" });
  expect(body).toMatchObject({ object: "list", model: "asked", usage: { prompt_tokens: 6, total_tokens: 6 } });
  const vector = body.data[0]?.embedding ?? [];
  expect(vector).toHaveLength(64);
  expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
  expect((await embed({ input: "hello" })).data[0]?.embedding).toEqual(vector);
});

test("a list gives vectors in its order, different for different texts", async () => {
  const { data } = await embed({ input: ["hello", "world"] });
  expect(data.map((item) => item.index)).toEqual([0, 1]);
  expect(data[0]?.embedding).toEqual((await embed({ input: "hello" })).data[0]?.embedding as number[]);
  expect(data[1]?.embedding).not.toEqual(data[0]?.embedding as number[]);
});

test("base64 holds the same numbers as little-endian float32", async () => {
  const floats = (await embed({ input: "hello" })).data[0]?.embedding;
  const [item] = (await embed({ input: "hello", encoding_format: "base64" })).data;
  const bytes = Buffer.from(item?.embedding as unknown as string, "base64");
  const unpacked = Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4));
  expect(unpacked).toEqual(floats as number[]);
});

test("token arrays stand for their text", async () => {
  // "hello" in this vocabulary: one token a character, each 261 behind the 33rd ASCII code.
  const tokens = Array.from("hello", (character) => character.charCodeAt(0) - 33 + 262);
  const expected = (await embed({ input: "hello" })).data[0]?.embedding as number[];
  expect((await embed({ input: tokens })).data[0]?.embedding).toEqual(expected);
  expect((await embed({ input: [tokens, tokens] })).data[1]?.embedding).toEqual(expected);
});

test("a text that does not fit is refused with its number of tokens", async () => {
  const response = await child.post(PATH, { input: ["ok", "a".repeat(400)] });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    error: { type: "exceed_context_size_error", n_prompt_tokens: 401, n_ctx: 256 },
  });
});

const bad: [string, object][] = [
  ["no input", {}],
  ["an empty text", { input: "" }],
  ["an empty list", { input: [] }],
  ["a mixed list", { input: ["a", 1] }],
  ["a token the model does not have", { input: [100_000] }],
  ["a size the model does not have", { input: "a", dimensions: 3 }],
  ["an unknown format", { input: "a", encoding_format: "hex" }],
];
for (const [name, body] of bad) {
  test(`a bad body is refused with 400: ${name}`, async () => {
    const response = await child.post(PATH, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
  });
}

test("vectors and a chat are computed side by side", async () => {
  const chat = child.post("/v1/chat/completions", { messages: [{ role: "user", content: "x" }], max_tokens: 30 });
  const vectors = await Promise.all(["a", "b", "c"].map((input) => embed({ input })));
  expect(vectors.map((body) => body.data.length)).toEqual([1, 1, 1]);
  expect((await chat).status).toBe(200);
});
