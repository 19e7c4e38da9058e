import { expect, test } from "bun:test";
import { parseEmbed, parseEmbeddings, toEmbedAnswer, toEmbeddingsAnswer } from "./embed.ts";

test.each<[object, unknown]>([
  [{ input: "a" }, { model: "m", input: ["a"], encoding_format: "float" }],
  [
    { input: ["a", "b"], dimensions: 0 },
    { model: "m", input: ["a", "b"], encoding_format: "float" },
  ],
  [
    { input: ["a"], dimensions: 64 },
    { model: "m", input: ["a"], encoding_format: "float", dimensions: 64 },
  ],
  [{}, null],
  [{ input: "" }, null],
  [{ input: [] }, null],
])("an embed body with %j becomes %j", (body, expected) => {
  expect<unknown>(parseEmbed({ model: "m", ...body })).toEqual({
    ok: true,
    value: { model: "m", body: expected, ignored: [] },
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
  expect(parseEmbeddings({ model: "m", prompt: "a" })).toMatchObject({ ok: true, value: { body: { input: ["a"] } } });
  expect(parseEmbeddings({ model: "m" })).toMatchObject({ ok: true, value: { body: null } });
});

const ANSWER = JSON.stringify({
  object: "list",
  data: [
    { index: 1, embedding: Buffer.from(new Float32Array([0.5, -2]).buffer).toString("base64") },
    { index: 0, embedding: [1, 0.25] },
  ],
  usage: { prompt_tokens: 7, total_tokens: 7 },
});

test("vectors come in the order of the inputs, as numbers, with their counts", () => {
  expect<unknown>(toEmbedAnswer(ANSWER, { model: "m", tookMs: 2.5 })).toEqual({
    ok: true,
    value: {
      model: "m",
      embeddings: [
        [1, 0.25],
        [0.5, -2],
      ],
      total_duration: 2_500_000,
      load_duration: 0,
      prompt_eval_count: 7,
    },
  });
  expect<unknown>(toEmbeddingsAnswer(ANSWER)).toEqual({ ok: true, value: { embedding: [1, 0.25] } });
});

test("nothing to embed is an empty answer", () => {
  expect(toEmbedAnswer("", { model: "m", tookMs: 0 })).toMatchObject({ ok: true, value: { embeddings: [] } });
  expect<unknown>(toEmbeddingsAnswer("")).toEqual({ ok: true, value: { embedding: [] } });
});

test.each(["<html>", "{}", '{"data":[{"embedding":5}]}'])("%j of an engine is a failure", (body) => {
  const failure = { ok: false, error: { kind: "engine_failed" } };
  expect(toEmbedAnswer(body, { model: "m", tookMs: 1 })).toMatchObject(failure);
  expect(toEmbeddingsAnswer(body)).toMatchObject(failure);
});
