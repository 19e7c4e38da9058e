import { expect, test } from "bun:test";
import { parseEmbed, parseEmbeddings, toEmbedAnswer, toEmbeddingsAnswer } from "./embed.ts";

test.each<[object, object]>([
  [{ input: "a" }, { inputs: ["a"] }],
  [{ input: ["a", "b"], dimensions: 0 }, { inputs: ["a", "b"] }],
  [
    { input: ["a"], dimensions: 64 },
    { inputs: ["a"], dimensions: 64 },
  ],
  [{}, { inputs: [] }],
  [{ input: "" }, { inputs: [] }],
  [{ input: [] }, { inputs: [] }],
])("an embed body with %j asks %j", (body, expected) => {
  expect<unknown>(parseEmbed({ model: "m", ...body })).toEqual({
    ok: true,
    value: { model: "m", ...expected, ignored: [] },
  });
});

test("an explicit cut is named: inputs that do not fit are refused", () => {
  expect(parseEmbed({ model: "m", input: "a", truncate: true })).toMatchObject({ value: { ignored: ["truncate"] } });
  expect(parseEmbed({ model: "m", input: "a", truncate: false })).toMatchObject({ value: { ignored: [] } });
});

test.each<[object, string]>([
  [{ input: [1, 2] }, "input[0]"],
  [{ input: ["a", ""] }, "input[1]"],
  [{ model: "" }, "model"],
  [{ dimensions: -1 }, "dimensions"],
])("%j is refused by its path", (body, field) => {
  expect(parseEmbed({ model: "m", input: "a", ...body })).toMatchObject({ ok: false, error: { field } });
});

test("the older call has one prompt", () => {
  expect(parseEmbeddings({ model: "m", prompt: "a" })).toMatchObject({ ok: true, value: { inputs: ["a"] } });
  expect(parseEmbeddings({ model: "m" })).toMatchObject({ ok: true, value: { inputs: [] } });
});

test("answers hold the vectors and their counts; nothing to embed is an empty answer", () => {
  const vectors = [
    [1, 0.25],
    [0.5, -2],
  ];
  expect<unknown>(toEmbedAnswer({ vectors, promptTokens: 7 }, { model: "m", tookMs: 2.5 })).toEqual({
    model: "m",
    embeddings: vectors,
    total_duration: 2_500_000,
    load_duration: 0,
    prompt_eval_count: 7,
  });
  expect<unknown>(toEmbeddingsAnswer({ vectors, promptTokens: 7 })).toEqual({ embedding: [1, 0.25] });
  expect<unknown>(toEmbeddingsAnswer({ vectors: [], promptTokens: 0 })).toEqual({ embedding: [] });
});
