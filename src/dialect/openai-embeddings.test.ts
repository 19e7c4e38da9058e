import { expect, test } from "bun:test";
import { parseEmbeddingsRequest, readEmbeddings, toEmbeddingsAnswer, writtenFormat } from "./openai-embeddings.ts";

test.each<[unknown, unknown, number]>([
  ["twelve bytes", ["twelve bytes"], 3],
  [["a", "12345"], ["a", "12345"], 3],
  [[1, 2, 3], [[1, 2, 3]], 3],
  [[[1, 2], [3]], [[1, 2], [3]], 3],
])("input %j is the inputs %j of about %i tokens", (input, inputs, promptTokensEstimate) => {
  const parsed = parseEmbeddingsRequest({ model: "m", input, encoding_format: "base64", dimensions: 4, other: 1 });
  expect<unknown>(parsed).toEqual({
    ok: true,
    value: { model: "m", inputs, promptTokensEstimate, encodingFormat: "base64", dimensions: 4 },
  });
});

test.each<[unknown, string]>([
  ["", "input"],
  [[], "input"],
  [["a", ""], "input[1]"],
  [[[]], "input[0]"],
  [[1, -1], "input[1]"],
  [["a", 1], "input[1]"],
  [undefined, "input"],
])("input %j is refused by name", (input, field) => {
  const parsed = parseEmbeddingsRequest({ model: "m", input });
  expect(parsed).toMatchObject({ ok: false, error: { kind: "invalid_request", field } });
});

test("an unknown encoding is refused by name", () => {
  const parsed = parseEmbeddingsRequest({ model: "m", input: "a", encoding_format: "int8" });
  expect(parsed).toMatchObject({ ok: false, error: { field: "encoding_format" } });
});

const ANSWER = JSON.stringify({
  object: "list",
  data: [
    { index: 1, embedding: Buffer.from(new Float32Array([0.5, -2]).buffer).toString("base64") },
    { index: 0, embedding: [1, 0.25] },
  ],
  usage: { prompt_tokens: 7, total_tokens: 7 },
});

test("vectors come in the order of the inputs, as numbers, however they were written", () => {
  const vectors = [
    [1, 0.25],
    [0.5, -2],
  ];
  expect<unknown>(readEmbeddings(ANSWER, 2)).toEqual({ ok: true, value: { vectors, promptTokens: 7 } });
  const written = toEmbeddingsAnswer({ vectors, promptTokens: 7 }, { model: "m", encodingFormat: "base64" });
  expect<unknown>(written).toMatchObject({ data: [{ index: 0, embedding: "AACAPwAAgD4=" }, {}], model: "m" });
  expect<unknown>(readEmbeddings(JSON.stringify(written), 2)).toEqual({
    ok: true,
    value: { vectors, promptTokens: 7 },
  });
  expect(writtenFormat(JSON.stringify(written))).toBe("base64");
  expect(writtenFormat('{"data":[{"embedding": [1]}]}')).toBe("float");
  expect(writtenFormat("{}")).toBeNull();
});

test.each(["<html>", "{}", '{"data":[{"embedding":5}]}', '{"data":[]}'])("%j of an engine is a failure", (body) => {
  expect(readEmbeddings(body, 1)).toMatchObject({ ok: false, error: { kind: "engine_failed" } });
});
