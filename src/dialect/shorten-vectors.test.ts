import { expect, test } from "bun:test";
import { shortenVectors } from "./shorten-vectors.ts";

const vector = Array.from({ length: 512 }, (_, at) => (at % 3) - 1);
const ANSWER = { vectors: [vector], promptTokens: 1 };

test("a model that was trained for it gives the beginning of its vector, with length one", () => {
  const short = shortenVectors(ANSWER, 128, ["embedder", "Qwen3-Embedding-0.6B-Q8_0"]);
  const [values = []] = short.ok ? short.value.vectors : [];
  expect(values).toHaveLength(128);
  expect(Math.hypot(...values)).toBeCloseTo(1, 10);
  expect((values[0] ?? 0) / (values[3] ?? 1)).toBeCloseTo(1, 10);
  expect(values[1]).toBeCloseTo(0, 10);
});

test("values are centred first where the model was trained so", () => {
  const lifted = { ...ANSWER, vectors: [vector.map((value) => value + 5)] };
  const short = (answer: typeof ANSWER) => shortenVectors(answer, 64, ["nomic-embed-text"]);
  const [plain, high] = [short(ANSWER), short(lifted)];
  const [a, b] = [plain, high].map((one) => (one.ok ? (one.value.vectors[0] ?? []) : []));
  expect(a?.length).toBe(64);
  for (const [at, value] of (a ?? []).entries()) expect(b?.[at]).toBeCloseTo(value, 10);
});

test("whole vectors stay as they are, whatever the model", () => {
  expect(shortenVectors(ANSWER, 512, ["anything"])).toEqual({ ok: true, value: ANSWER });
});

test.each<[string, number, string]>([
  ["bge-m3", 128, "512"],
  ["nomic-embed-text-v1", 128, "512"],
  ["qwen3-embedding", 1024, "512"],
  ["embeddinggemma-300m", 16, "128"],
])("%s cannot have %i values", (name, dimensions, named) => {
  const refused = shortenVectors(ANSWER, dimensions, [name]);
  expect(refused).toMatchObject({ ok: false, error: { kind: "invalid_request", field: "dimensions" } });
  expect(!refused.ok && "message" in refused.error && refused.error.message).toContain(named);
});
