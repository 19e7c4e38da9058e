import { expect, test } from "bun:test";
import { parseEmbeddingsRequest } from "./openai-embeddings.ts";

test.each<[unknown, number, number]>([
  ["twelve bytes", 1, 3],
  [["a", "12345"], 2, 3],
  [[1, 2, 3], 1, 3],
  [[[1, 2], [3]], 2, 3],
])("input %j is %i inputs of about %i tokens", (input, inputs, promptTokensEstimate) => {
  const parsed = parseEmbeddingsRequest({ model: "m", input, encoding_format: "base64", dimensions: 4, other: 1 });
  expect(parsed).toEqual({
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
